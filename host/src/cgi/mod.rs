//! RFC 3875 (CGI 1.1) as pure data: a request's params read as HTTP, and a
//! response's head written and read as CGI has it.

mod authorizer;
mod environment;
mod filter;
mod head;
mod headers;
mod mount;
mod request;
mod response;
mod split;
mod target;
mod web_server;

pub(crate) use authorizer::named_variables;
pub use authorizer::{authorizer_params, refuse_success, write_leave};
pub use environment::environment;
pub(crate) use filter::{data_last_modified, data_length};
#[cfg(fuzzing)]
pub use head::fuzz_head;
pub use head::{HEAD_BYTES_MAX, Head, parse_head, write_head};
pub(crate) use headers::{
    drop_commands, drop_connection_fields, is_client_header, request_header, request_headers,
};
pub use mount::Mount;
pub use request::{check, http_request};
pub(crate) use request::{content_length, is_https};
pub use response::{ToCome, may_have_body, response_head};
pub use split::correct_split;
pub(crate) use target::encode_path;
pub use target::{decode, target};
pub use web_server::{WEB_SERVERS, WebServer};
