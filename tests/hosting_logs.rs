//! What a configuration has written and shown, by its `[log]` and `[status]`,
//! and what becomes of that when it changes.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::guest_build::guest;
use crate::support::hosting::get_with;
use crate::support::http_client::Client;
use crate::support::metrics::Metrics;
use crate::support::process::{Program, command};
use crate::support::{Outcome, Skip, wait_until};

tests![
    each_tenant_has_its_log_and_all_have_the_others,
    what_is_loaded_and_what_was_refused_is_shown,
    logs_change_with_a_reload_and_the_rest_is_warned_of,
    a_log_that_can_not_be_opened_has_the_reload_refused,
    flags_go_before_the_file,
    files_of_a_document_root_count_as_one_application,
    secrets_and_settings_of_the_file_reach_applications,
    a_file_that_can_not_be_loaded_is_told_to_its_owner_and_seldom_to_the_operator,
];

const APPS: &str = "
[tenant.alice]
app_log = \"alice.log\"
[app.alices]
file = \"naughty.wasm\"
tenant = \"alice\"
routes = [\"alice.example/\"]
[app.bobs]
file = \"naughty.wasm\"
routes = [\"/\"]
[documents.www]
root = \"www\"
[socket.s]
unix = \"s\"
";

const LOG: &str = "
[log]
level = \"debug\"
file = \"main.log\"
access_log = \"access.log\"
access_log_format = \"{tenant} {app} {path} {param:QUERY_STRING}\"
app_log = \"apps.log\"
[status]
listen = \"unix:status\"
";

/// How often a broken application is asked.
const ASKED: usize = 50;

struct Logged {
    program: Program,
    folder: PathBuf,
}

impl Logged {
    fn serve(log: &str, more: impl FnOnce(&mut Command)) -> Result<Self, Skip> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().to_owned();
        fs::create_dir(path.join("www")).expect("made");
        for name in ["naughty.wasm", "www/one.wasm", "www/two.wasm"] {
            fs::copy(guest("naughty")?, path.join(name)).expect("copied");
        }
        fs::write(path.join("main.toml"), format!("{log}{APPS}")).expect("written");
        let mut serve = command(&["serve", "--config"]);
        serve.arg(path.join("main.toml")).current_dir(&path);
        more(&mut serve);
        let program = Program::start(serve, folder);
        wait_until("it listens", || program.socket().exists());
        Ok(Self {
            program,
            folder: path,
        })
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }

    #[track_caller]
    fn wait_for(&self, name: &str, text: &str) {
        wait_until(&format!("{text:?} is in {name}"), || {
            self.text(name).contains(text)
        });
    }

    /// Asks an application to say something, by the host that it answers.
    fn have_said(&self, host: &str, path: &str) {
        let request = get_with(path, &[("HTTP_HOST", host), ("QUERY_STRING", "q")]);
        let answer = self.program.ask(&request);
        assert_eq!(answer.status(), 200, "{}", answer.log());
    }

    /// Changes the configuration; waits until `file`, the log, says what came of it.
    fn reconfigure(&self, log: &str, file: &str, said: &str) {
        fs::write(self.folder.join("main.toml"), format!("{log}{APPS}")).expect("written");
        self.program.signal(Signal::HUP);
        self.wait_for(file, said);
    }

    fn status(&self, path: &str) -> String {
        Client::connect(&self.folder.join("status"))
            .get(path)
            .text()
    }
}

fn each_tenant_has_its_log_and_all_have_the_others() -> Outcome {
    let logged = Logged::serve(LOG, |_| ())?;
    logged.have_said("alice.example", "/log/1");
    logged.have_said("bob.example", "/log/2");
    logged.wait_for("alice.log", " alices request=");
    logged.wait_for("apps.log", " bobs request=");
    assert!(!logged.text("alice.log").contains("bobs"));
    assert!(!logged.text("apps.log").contains("alices"));
    logged.wait_for("access.log", "alice alices /log/1 q\n");
    logged.wait_for("access.log", "bobs bobs /log/2 q\n");
    logged.wait_for("main.log", "DEBUG");
    assert_eq!(logged.program.log(), "", "nothing goes to standard error");
    let status: Value = serde_json::from_str(&logged.status("/status.json")).expect("JSON");
    assert_eq!(status["apps"].as_array().map(Vec::len), Some(2), "{status}");
    Ok(())
}

fn what_is_loaded_and_what_was_refused_is_shown() -> Outcome {
    let logged = Logged::serve(LOG, |_| ())?;
    logged.have_said("bob.example", "/log/1");
    fs::write(logged.folder.join("naughty.wasm"), "broken").expect("written");
    logged.program.signal(Signal::HUP);
    logged.wait_for("main.log", "the old one goes on serving");
    let status: Value = serde_json::from_str(&logged.status("/status.json")).expect("JSON");
    assert_eq!(status["apps"][0]["app"], "bobs");
    assert_eq!(status["apps"][0]["refused_version"], true);
    assert_eq!(status["server"]["apps_loaded"], 1);
    let metrics = logged.status("/metrics");
    let refused = "fcgi_wasm_app_refused_version{tenant=\"bobs\",app=\"bobs\"} 1\n";
    assert!(metrics.contains(refused), "{metrics}");
    assert!(
        metrics.contains("\nfcgi_wasm_apps_loaded_max 256\n"),
        "{metrics}"
    );
    assert!(logged.status("/").contains("new version refused"));
    Ok(())
}

fn logs_change_with_a_reload_and_the_rest_is_warned_of() -> Outcome {
    let logged = Logged::serve(LOG, |_| ())?;
    logged.have_said("bob.example", "/log/1");
    logged.wait_for("apps.log", " bobs request=1 ");
    logged.wait_for("access.log", "/log/1");
    let changed = LOG
        .replace("main.log", "new-main.log")
        .replace("access.log", "new-access.log")
        .replace("apps.log", "new-apps.log")
        .replace("debug", "warn")
        .replace("{tenant} ", "")
        .replace("unix:status", "unix:other");
    logged.reconfigure(&changed, "main.log", "was read again");
    logged.wait_for("main.log", "count from the next start on");
    logged.have_said("bob.example", "/log/2");
    logged.wait_for("new-apps.log", " bobs request=2 ");
    logged.wait_for("new-access.log", "bobs bobs /log/2 q\n");
    assert!(!logged.text("access.log").contains("/log/2"));
    assert!(logged.folder.join("new-main.log").exists());
    assert!(!logged.folder.join("other").exists());
    // What is refused from now on is told in the new file, and what is only of
    // interest is not.
    logged.reconfigure("[nonsense]", "new-main.log", "the configuration is refused");
    let log = logged.text("new-main.log");
    assert!(!log.contains("INFO"), "{log}");
    // None at all, and all again.
    logged.reconfigure(
        "[log]\nfile = \"new-main.log\"\n",
        "new-main.log",
        "reloaded",
    );
    logged.have_said("bob.example", "/log/3");
    logged.reconfigure(LOG, "main.log", "reloaded");
    logged.have_said("bob.example", "/log/4");
    logged.wait_for("access.log", "/log/4");
    for log in ["access.log", "new-access.log", "apps.log", "new-apps.log"] {
        let text = logged.text(log);
        let is_in = text.contains("/log/3") || text.contains("request=3 ");
        assert!(!is_in, "{log}: {text}");
    }
    let metrics = Metrics::parse(&logged.status("/metrics"));
    let dropped = metrics.value("fcgi_wasm_log_lines_dropped_total", &[]);
    assert!(dropped.abs() < 1e-9, "{dropped}");
    Ok(())
}

fn a_log_that_can_not_be_opened_has_the_reload_refused() -> Outcome {
    let mut logged = Logged::serve(LOG, |_| ())?;
    let wrong = LOG.replace("access.log", "none/access.log");
    logged.reconfigure(&wrong, "main.log", "the configuration is refused");
    logged.wait_for("main.log", "none/access.log");
    logged.have_said("bob.example", "/log/1");
    logged.wait_for("access.log", "/log/1");
    // Its own log is no reason to refuse anything: it has the old file.
    let wrong = LOG.replace("main.log", "none/main.log");
    logged.reconfigure(&wrong, "main.log", "logging on to the old file");
    logged.program.signal(Signal::TERM);
    assert!(logged.program.wait().success());
    logged.wait_for("main.log", "stopping");
    Ok(())
}

fn flags_go_before_the_file() -> Outcome {
    let logged = Logged::serve(LOG, |serve| {
        serve.args([
            "--log",
            "flag.log",
            "--quiet",
            "--access-log",
            "flag-access.log",
        ]);
        serve.args(["--app-log", "flag-apps.log", "--status", "unix:flag-status"]);
    })?;
    let folder = &logged.folder;
    logged.have_said("alice.example", "/log/1");
    logged.have_said("bob.example", "/log/2");
    // The format is the flag's too.
    logged.wait_for("flag-access.log", "\"path\":\"/log/1\"");
    logged.wait_for("flag-apps.log", " bobs request=");
    logged.wait_for("alice.log", " alices request=");
    let changed = LOG
        .replace("debug", "info")
        .replace("access.log", "new.log")
        .replace("main.log", "new-main.log");
    // That it was read is seen by what is missing.
    let changed = format!("[app.gone]\nfile = \"gone.wasm\"\n{changed}");
    logged.reconfigure(&changed, "flag.log", "gone.wasm");
    logged.have_said("bob.example", "/log/3");
    logged.wait_for("flag-access.log", "\"path\":\"/log/3\"");
    for name in [
        "main.log",
        "new-main.log",
        "access.log",
        "new.log",
        "apps.log",
        "status",
    ] {
        assert!(!folder.join(name).exists(), "{name}");
    }
    assert!(folder.join("flag-status").exists());
    assert!(!logged.text("flag.log").contains("INFO"));
    Ok(())
}

fn files_of_a_document_root_count_as_one_application() -> Outcome {
    let logged = Logged::serve(LOG, |_| ())?;
    let ask = |name: &str| {
        let script = logged.folder.join("www").join(name).display().to_string();
        // No route is asked for.
        logged
            .program
            .ask(&get_with("/hello", &[("SCRIPT_FILENAME", &script)]))
    };
    let bobs = APPS.replace("routes = [\"/\"]", "routes = [\"bob.example/\"]");
    fs::write(logged.folder.join("main.toml"), format!("{LOG}{bobs}")).expect("written");
    logged.program.signal(Signal::HUP);
    logged.wait_for("main.log", "reloaded");
    for name in ["one.wasm", "two.wasm"] {
        assert_eq!(ask(name).status(), 200);
    }
    wait_until("both are written", || {
        logged.text("access.log").matches("www www /").count() == 2
    });
    let all = logged.status("/metrics");
    assert!(!all.contains("one.wasm"), "{all}");
    let status: Value = serde_json::from_str(&logged.status("/status.json")).expect("JSON");
    let apps = status["apps"].as_array().expect("a list");
    assert_eq!(apps.len(), 1, "{status}");
    assert_eq!(apps[0]["app"], "www", "{status}");
    Ok(())
}

fn a_file_that_can_not_be_loaded_is_told_to_its_owner_and_seldom_to_the_operator() -> Outcome {
    let logged = Logged::serve(LOG, |_| ())?;
    fs::write(logged.folder.join("naughty.wasm"), "broken").expect("written");
    for _ in 0..ASKED {
        let request = get_with("/hello", &[("HTTP_HOST", "alice.example")]);
        assert_eq!(logged.program.ask(&request).status(), 503);
    }
    wait_until("the owner has all of them", || {
        let own = logged.text("alice.log");
        own.matches("is no WebAssembly component").count() == ASKED
    });
    logged.wait_for("access.log", "alice alices /hello");
    let log = logged.text("main.log");
    let told = log.lines().filter(|line| line.contains("WARN")).count();
    // That it is refused and the first fault; a slow machine sees some more.
    assert!((1..ASKED / 4).contains(&told), "{told} lines: {log}");
    Ok(())
}

fn secrets_and_settings_of_the_file_reach_applications() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(guest("naughty-http")?, folder.path().join("app.wasm")).expect("copied");
    let secret = folder.path().join("secret");
    fs::write(&secret, "of the file\n").expect("written");
    let _ = Command::new("chmod").arg("600").arg(&secret).status();
    let config = "[app.one]\nfile = \"app.wasm\"\nroutes = [\"/\"]\n\
                  setting = { theme = \"dark\" }\nsecret_setting = { word = \"secret\" }\n\
                  [socket.s]\nunix = \"s\"\n";
    let hosted = crate::support::hosting::Hosted::serve_folder(folder, config, &["s"]);
    let answer = hosted.ask("s", "/settings", &[]);
    assert_eq!(
        answer.text(),
        "theme=dark\nword=of the file\nmissing: Ok(None)\n"
    );
    assert!(!hosted.program.log().contains("of the file"));
    Ok(())
}
