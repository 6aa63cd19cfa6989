//! What a component may import beside its own contract: settings, the log, and
//! what the web server says.

wit_bindgen::generate!({
    inline: r#"
        package tests:extras;

        world extras {
            import fcgi-wasm:app/request@0.1.0;
            import wasi:config/store@0.2.0-rc.1;
            import wasi:logging/logging@0.1.0-draft;
        }

        package wasi:config@0.2.0-rc.1 {
            interface store {
                variant error {
                    upstream(string),
                    io(string),
                }
                get: func(key: string) -> result<option<string>, error>;
                get-all: func() -> result<list<tuple<string, string>>, error>;
            }
        }

        package wasi:logging@0.1.0-draft {
            interface logging {
                enum level { trace, debug, info, warn, error, critical }
                log: func(level: level, context: string, message: string);
            }
        }
    "#,
    path: "../../../guest-sdk/wit",
    world: "tests:extras/extras",
    generate_all,
});

use fcgi_wasm::app::request;
use wasi::config::store;
use wasi::logging::logging::{Level, log};

pub(crate) fn settings() -> String {
    let mut settings = store::get_all().unwrap();
    settings.sort();
    let lines = settings
        .iter()
        .map(|(key, value)| format!("{key}={value}\n"));
    format!(
        "{}missing: {:?}\n",
        lines.collect::<String>(),
        store::get("no such")
    )
}

pub(crate) fn words() -> String {
    log(Level::Warn, "shop", "the till is empty\nso is the purse");
    "said\n".to_owned()
}

pub(crate) fn who() -> String {
    let param = |name| request::param(name).unwrap_or_default();
    format!("{} {}\n", param("REMOTE_USER"), param("SCRIPT_NAME"))
}
