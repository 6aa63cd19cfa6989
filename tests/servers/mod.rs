//! Behind each real web server, as the manual's page configures it: every
//! property is a test for every server, so that a failure names both.

mod bodies;
mod clients;
mod faults;
mod heads;
mod paths;
mod send_file;
mod setup;

use libtest_mimic::Trial;

use crate::support::{Outcome, trial};
use setup::{SERVERS, Server};

type Property = fn(&'static Server) -> Outcome;

/// What holds behind every web server.
const PROPERTIES: &[(&str, Property)] = &[
    ("the_url_root_gives_path_info", paths::the_url_root),
    ("a_sub_path_gives_script_name", paths::a_sub_path),
    ("the_target_stays_as_it_was_written", paths::targets),
    ("uploads_arrive_with_and_without_length", bodies::uploads),
    ("answers_are_streamed", bodies::streaming),
    ("no_body_where_there_may_be_none", bodies::none),
    ("fields_reach_the_guest", heads::request_fields),
    ("fields_reach_the_client", heads::response_fields),
    ("large_heads_pass", heads::large),
    ("https_is_known", heads::https),
    ("connections_are_kept", clients::kept),
    ("fifty_clients_at_once", clients::fifty),
    ("a_client_that_leaves_ends_the_guest", clients::leaving),
    ("faults_are_pages_and_stand_in_the_error_log", faults::pages),
    ("a_timeout_is_504", faults::timeout),
];

pub(crate) fn tests() -> Vec<Trial> {
    let mut trials = paths::tests();
    trials.extend(send_file::tests());
    for server in SERVERS {
        for (name, property) in PROPERTIES {
            let name = format!("{name}_behind_{}", server.name);
            trials.push(trial(module_path!(), &name, move || property(server)));
        }
    }
    trials
}
