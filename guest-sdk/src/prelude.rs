//! What most apps use: `use fcgi_wasm_sdk::prelude::*;`.

pub use crate::Body;
pub use crate::Error;
pub use crate::Finished;
pub use crate::Html;
pub use crate::IntoResponse;
pub use crate::Json;
pub use crate::Redirect;
pub use crate::Request;
pub use crate::RequestExt;
pub use crate::Response;
pub use crate::ResponseBody;
pub use crate::ResponseExt;
pub use crate::Result;
pub use crate::Source;
pub use crate::Verdict;
pub use crate::authorizer;
pub use crate::filter;
pub use crate::finish;
pub use crate::handler;
#[cfg(feature = "async")]
pub use crate::serve;
#[cfg(feature = "async")]
pub use crate::stream;
pub use http::Method;
pub use http::StatusCode;
