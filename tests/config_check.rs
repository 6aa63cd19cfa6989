//! `fcgi-wasm config check`: what would keep a configuration from serving, and what
//! is hardly meant, before it is served.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

use crate::support::daemon::open_folder;
use crate::support::hosting::deploy;
use crate::support::process::{command, run};
use crate::support::{Outcome, Skip};

tests![
    what_would_not_be_served_is_a_fault,
    serving_says_the_same,
    what_is_hardly_meant_is_a_warning,
    what_only_this_user_may_not_is_a_warning,
];

/// What each case stands behind.
const SOUND: &str = "[socket.s]\nunix = \"s\"\n[app.a]\nroutes = [\"/\"]\nfile = \"a.wasm\"\n";

/// The lines about a configuration in this folder, without that folder, and whether it is
/// sound. `{}` in it is the folder.
fn checked(folder: &Path, config: &str) -> (String, bool) {
    let shown = folder.display().to_string();
    let main = folder.join("main.toml");
    deploy(&folder.join("a.wasm"), "one");
    fs::write(&main, config.replace("{}", &shown)).expect("written");
    let output = run(&["config", "check", main.to_str().expect("text")]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let said = said.replace(&format!("{shown}/"), "");
    (said, output.status.success())
}

fn what_would_not_be_served_is_a_fault() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let here = |name: &str| folder.path().join(name);
    fs::write(here("open"), "word").expect("written");
    fs::set_permissions(here("open"), Permissions::from_mode(0o644)).expect("set");
    fs::write(here("script.wasm"), "#!/bin/sh").expect("written");
    fs::write(here("file"), "").expect("written");
    fs::create_dir(here("shared")).expect("made");
    fs::set_permissions(here("shared"), Permissions::from_mode(0o777)).expect("set");
    let (said, is_sound) = checked(folder.path(), SOUND);
    assert!(is_sound && said.is_empty(), "{said}");
    for (more, fault) in [
        (
            "[socket.t]\ntcp = \"0.0.0.0:9000\"\n",
            "main.toml:7: socket.t.tcp: 0.0.0.0:9000 can be reached from other machines",
        ),
        (
            "[socket.t]\nhttp = \"[::]:9000\"\n",
            "main.toml:7: socket.t.http: [::]:9000 can be reached from other machines",
        ),
        (
            "[socket.t]\nunix = \"missing/t\"\n",
            "main.toml:7: socket.t.unix: cannot listen on missing/t: No such file",
        ),
        (
            "[socket.t]\nunix = \"file\"\n",
            "main.toml:7: socket.t.unix: file exists and is no socket",
        ),
        (
            "[log]\nfile = \"missing/log\"\n",
            "main.toml:7: log.file: cannot log to missing/log: No such file",
        ),
        (
            "[log]\naccess_log = \"shared\"\n",
            "main.toml:7: log.access_log: cannot log to shared: is a directory",
        ),
        (
            "[tenant.a]\napp_log = \"file/log\"\n",
            "main.toml:7: tenant.a.app_log: cannot log to file/log: Not a directory",
        ),
        (
            "[server]\ncache = \"shared\"\n",
            "main.toml:7: server.cache: the cache shared can be written by others",
        ),
        (
            "[server]\ncache = \"file/cache\"\n",
            "main.toml:7: server.cache: cannot use the cache file/cache: not a directory",
        ),
        (
            "interface = \"foo\"\n",
            "main.toml:6: app.a.interface: there is no interface \"foo\": choose one of native,",
        ),
        (
            "dir = [\"{}/missing::/data\"]\n",
            "main.toml:6: app.a.dir: there is no missing",
        ),
        (
            "[defaults]\ndir = [\"{}/missing::/data\"]\n",
            "main.toml:7: app.a.dir: there is no missing",
        ),
        (
            "secret_env = { WORD = \"open\" }\n",
            "main.toml:6: app.a.secret_env: the secret WORD in open is open to every user",
        ),
        (
            "[app.b]\nroutes = [\"/b\"]\nfile = \"script.wasm\"\n",
            "main.toml:8: app.b.file: script.wasm is a script",
        ),
        (
            "[app.b]\npreload = true\nroutes = [\"/b\"]\nfile = \"/etc/passwd\"\n",
            "main.toml:9: app.b.file: /etc/passwd is no WebAssembly component",
        ),
    ] {
        let (said, is_sound) = checked(folder.path(), &format!("{SOUND}{more}"));
        assert!(!is_sound, "{more}");
        assert!(said.contains(fault), "{said}\nfor {more}");
    }
    // Nothing was made.
    assert!(!here("s").exists() && !here("cache").exists());
    Ok(())
}

fn serving_says_the_same() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    for more in [
        "[socket.t]\ntcp = \"0.0.0.0:9000\"\n",
        "[socket.t]\nunix = \"missing/t\"\n",
        "[log]\naccess_log = \"missing/log\"\n",
        "[tenant.a]\napp_log = \"missing/log\"\n",
        "interface = \"foo\"\n",
    ] {
        let (said, _) = checked(folder.path(), &format!("{SOUND}{more}"));
        let sentence = said.trim_end().split_once("main.toml:").expect("a place").1;
        let main = folder.path().join("main.toml");
        let output = run(&["serve", "--config", main.to_str().expect("text")]);
        assert!(!output.status.success());
        let served = String::from_utf8_lossy(&output.stderr).into_owned();
        let served = served.replace(&format!("{}/", folder.path().display()), "");
        assert!(served.contains(sentence), "{served}\n{sentence}");
    }
    Ok(())
}

fn what_is_hardly_meant_is_a_warning() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("www")).expect("made");
    for (config, warning) in [
        (
            "include = \"apps.d/*.toml\"\n{SOUND}",
            "main.toml:1: include: there is no file apps.d/*.toml",
        ),
        (
            "{SOUND}[app.b]\nfile = \"a.wasm\"\n",
            "main.toml:6: app.b.routes: no request leads to it",
        ),
        (
            "{SOUND}[app.b]\nfile = \"a.wasm\"\n[socket.t]\nunix = \"t\"\napp = \"b\"\n",
            "",
        ),
        (
            "{SOUND}[socket.t]\nchoose_by_param = true\nunix = \"t\"\n[app.b]\nfile = \"a.wasm\"\n",
            "",
        ),
        (
            "{SOUND}[socket.t]\nunix = \"t\"\n[documents.d]\nroot = \"www\"\n",
            "",
        ),
        (
            "{ALONE}[documents.d]\nroot = \"www\"\n",
            "main.toml:8: documents.d.root: no socket serves it",
        ),
        (
            "{SOUND}[tenant.alice]\n",
            "main.toml:6: tenant.alice: no application and no document root",
        ),
        (
            "{SOUND}memory = \"2GiB\"\n",
            "main.toml:6: app.a.memory: it is over `memory_total` of [app.a]",
        ),
        (
            "{SOUND}memory = \"64MiB\"\n[tenant.a]\nmemory_total = \"32MiB\"\n",
            "main.toml:6: app.a.memory: it is over `memory_total` of [tenant.a]",
        ),
        (
            "{SOUND}max_concurrent = 50\n[tenant.a]\nmax_concurrent = 40\n",
            "main.toml:6: app.a.max_concurrent: it is over that of [tenant.a]",
        ),
        ("{SOUND}[tenant.a]\nmax_concurrent = 40\n", ""),
        (
            "{SOUND}head_time = \"2m\"\n",
            "main.toml:6: app.a.head_time: it is over `timeout`, 60s",
        ),
        (
            "{SOUND}[defaults]\ntimeout = \"2h\"\n",
            "main.toml:7: app.a.timeout: it is over `max_duration`, 3600s",
        ),
        ("{SOUND}timeout = \"5s\"\n", ""),
    ] {
        let alone = SOUND.replace("[app.a]", "app = \"a\"\n[app.a]");
        let config = config.replace("{SOUND}", SOUND).replace("{ALONE}", &alone);
        let (said, is_sound) = checked(folder.path(), &config);
        assert!(is_sound, "{said}");
        match warning {
            "" => assert_eq!(said, "", "{config}"),
            _ => assert!(said.starts_with(&format!("warning: {warning}")), "{said}"),
        }
        assert!(said.lines().count() <= 1, "{said}");
    }
    Ok(())
}

fn what_only_this_user_may_not_is_a_warning() -> Outcome {
    if !rustix::process::geteuid().is_root() {
        return Err(Skip("only root can be somebody else".to_owned()));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).expect("made");
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).expect("set");
    let more = "[server]\ncache = \"closed\"\n[log]\nfile = \"log\"\n\
                [socket.t]\ngroup = \"root\"\nunix = \"/tmp/t\"\n";
    let (said, is_sound) = checked(folder.path(), &format!("{SOUND}{more}"));
    assert!(is_sound && said.is_empty(), "{said}");
    // That everybody can read.
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("set");
    let mut check = command(&["config", "check"]);
    check.arg(folder.path().join("main.toml"));
    let output = check.uid(65534).gid(65534).output().expect("started");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    for warning in [
        "main.toml:2: socket.s.unix: if nobody serves: cannot listen on ",
        "main.toml:7: server.cache: if nobody serves: the cache ",
        "main.toml:9: log.file: if nobody serves: cannot log to ",
        "main.toml:12: socket.t.unix: if nobody serves: cannot listen on /tmp/t: the user nobody \
         (65534) may not give it to the group root (0), which only root and its members may",
    ] {
        let said = said.replace(&format!("{}/", folder.path().display()), "");
        assert!(said.contains(warning), "{said}\nlacks {warning}");
    }
    // Serving says it as well.
    let open = open_folder();
    let config = "[socket.t]\ngroup = \"root\"\nunix = \"t\"\n";
    fs::write(open.path().join("main.toml"), config).expect("written");
    let mut serve = command(&["serve", "--config"]);
    serve.arg(open.path().join("main.toml"));
    let output = serve.uid(65534).gid(65534).output().expect("started");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected = "t: the user nobody (65534) may not give it to the group root (0), which only \
                    root and its members may: add the user to the group, or start this as root\n";
    assert!(
        said.contains("main.toml:3: socket.t.unix: cannot listen on "),
        "{said}"
    );
    assert!(said.ends_with(expected), "{said}");
    Ok(())
}
