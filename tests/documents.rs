//! `.wasm` files in document roots, as PHP scripts are served.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use crate::support::guest_build::guest;
use crate::support::hosting::{Hosted, deploy, saying};
use crate::support::{Outcome, Skip, wait_until};

tests![
    a_file_in_the_document_root_is_served_and_path_info_split_off,
    nothing_but_files_below_the_roots_is_served,
    what_others_could_have_put_there_is_not_served,
    a_changed_file_is_swapped_and_a_removed_one_is_gone,
    each_socket_serves_its_tenants_roots,
    a_file_stays_loaded_when_another_root_or_tenant_changes,
    files_that_can_not_be_loaded_fill_no_log,
];

/// A configuration with this folder for its root.
fn config(more: &str) -> String {
    format!("[documents.www]\nroot = \"www\"\n{more}\n[socket.s]\nunix = \"s\"\n")
}

impl Hosted {
    /// The answer to a request for what this path leads to, in the folder.
    #[track_caller]
    fn open(&self, path: &str) -> (u16, String, String) {
        let script = format!("{}/{path}", self.folder.display());
        let answer = self.ask("s", "/x", &[("SCRIPT_FILENAME", &script)]);
        (answer.status(), answer.text(), answer.log())
    }

    /// … which is not served, for this reason.
    #[track_caller]
    fn refuses(&self, path: &str, reason: &str) {
        let (status, _, log) = self.open(path);
        assert_eq!(status, 404, "{path}");
        assert!(log.contains(reason), "{path}: {log}");
    }
}

fn a_file_in_the_document_root_is_served_and_path_info_split_off() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(folder.path().join("www/sub")).expect("made");
    fs::copy(guest("naughty")?, folder.path().join("www/sub/a.wasm")).expect("copied");
    let hosted = Hosted::serve_folder(folder, &config(""), &["s"]);
    let file = format!("{}/www/sub/a.wasm", hosted.folder.display());
    let whole = format!("{file}/params/x.wasm");
    let of_apache = format!("proxy:fcgi://localhost{file}/params/x%2ewasm?q=1");
    for (script, script_name, path_info) in [
        (file.as_str(), "/sub/a.wasm", "/params/x.wasm"),
        (&whole, "/sub/a.wasm/params/x.wasm", ""),
        (&whole, "/sub/a.wasm", "/params/x.wasm"),
        (&of_apache, "/sub/a.wasm/params/x.wasm", ""),
    ] {
        let params = [
            ("SCRIPT_FILENAME", script),
            ("SCRIPT_NAME", script_name),
            ("PATH_INFO", path_info),
            ("REQUEST_URI", "/sub/a.wasm/params/x.wasm"),
            ("DOCUMENT_ROOT", "/nonexistent"),
        ];
        let answer = hosted.ask("s", "", &params);
        assert_eq!(answer.status(), 200, "{script}: {}", answer.log());
        let text = answer.text();
        for expected in [
            "SCRIPT_NAME=/sub/a.wasm\n",
            "PATH_INFO=/params/x.wasm\n",
            &format!("SCRIPT_FILENAME={file}\n"),
        ] {
            assert!(
                text.contains(expected),
                "{expected:?} of {script} in {text}"
            );
        }
    }
    Ok(())
}

fn nothing_but_files_below_the_roots_is_served() -> Outcome {
    let files = [
        ("www/app.wasm", "app"),
        ("secret.wasm", "secret"),
        ("www2/x.wasm", "x"),
    ];
    let hosted = Hosted::serve(&config(""), &files, &["s"]);
    let www = hosted.folder.join("www");
    symlink("../secret.wasm", www.join("link.wasm")).expect("linked");
    symlink("..", www.join("up")).expect("linked");
    fs::create_dir(www.join("folder.wasm")).expect("made");
    fs::write(www.join("page.html"), "").expect("written");
    assert_eq!(hosted.open("www/app.wasm").1, "app");
    hosted.refuses("secret.wasm", "does not lie in ");
    hosted.refuses("www2/x.wasm", "does not lie in ");
    hosted.refuses("www/../secret.wasm", "dots");
    hosted.refuses("www/./app.wasm", "dots");
    hosted.refuses("www/link.wasm", "symbolic link");
    hosted.refuses("www/up/secret.wasm", "symbolic link");
    hosted.refuses("www/page.html", "no part of it ends in .wasm");
    hosted.refuses("www/folder.wasm", "no such file");
    hosted.refuses("www/none.wasm", "no such file");
    // The log says which path was tried in which root.
    let log = hosted.program.log();
    let tried = format!("{}/none.wasm", www.display());
    let line = log
        .lines()
        .find(|line| line.contains(&tried))
        .expect("logged");
    assert!(line.contains(&format!("in {}:", www.display())), "{line}");
    for sent in ["", "app.wasm", "proxy:fcgi://localhost"] {
        let answer = hosted.ask("s", "/x", &[("SCRIPT_FILENAME", sent)]);
        assert_eq!(answer.status(), 404, "{sent:?}");
    }
    Ok(())
}

fn what_others_could_have_put_there_is_not_served() -> Outcome {
    let files = [("www/app.wasm", "app"), ("www/sub/app.wasm", "sub")];
    let hosted = Hosted::serve(&config("owner = \"4711\""), &files, &["s"]);
    let www = hosted.folder.join("www");
    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
    };
    set(&www.join("app.wasm"), 0o666);
    hosted.refuses("www/app.wasm", "app.wasm is writable by everybody");
    set(&www.join("app.wasm"), 0o644);
    assert_eq!(hosted.open("www/app.wasm").1, "app");
    set(&www.join("sub"), 0o777);
    hosted.refuses("www/sub/app.wasm", "sub is writable by everybody");
    set(&www.join("sub"), 0o755);
    assert_eq!(hosted.open("www/sub/app.wasm").1, "sub");
    if !rustix::process::geteuid().is_root() {
        return Err(Skip("only root can give files away".to_owned()));
    }
    chown(www.join("app.wasm"), Some(4712), None).expect("given away");
    hosted.refuses("www/app.wasm", "belongs to user 4712");
    chown(www.join("app.wasm"), Some(4711), None).expect("given away");
    assert_eq!(hosted.open("www/app.wasm").1, "app");
    chown(www.join("sub"), Some(4712), None).expect("given away");
    hosted.refuses("www/sub/app.wasm", "sub belongs to user 4712");
    Ok(())
}

fn a_changed_file_is_swapped_and_a_removed_one_is_gone() -> Outcome {
    let hosted = Hosted::serve(&config(""), &[("www/app.wasm", "one")], &["s"]);
    let file = hosted.folder.join("www/app.wasm");
    assert_eq!(hosted.open("www/app.wasm").1, "one");
    deploy(&file, "second");
    wait_until("the second version is served", || {
        hosted.open("www/app.wasm").1 == "second"
    });
    fs::write(&file, "broken").expect("written");
    hosted.open("www/app.wasm");
    hosted.program.wait_for_log("the new version is refused");
    assert_eq!(hosted.open("www/app.wasm").1, "second");
    fs::write(&file, saying("third")).expect("written");
    wait_until("the third version is served", || {
        hosted.open("www/app.wasm").1 == "third"
    });
    fs::remove_file(&file).expect("removed");
    hosted.refuses("www/app.wasm", "no such file");
    deploy(&file, "fourth");
    wait_until("the fourth version is served", || {
        hosted.open("www/app.wasm").1 == "fourth"
    });
    Ok(())
}

fn each_socket_serves_its_tenants_roots() -> Outcome {
    let config = "[tenant.alice]\n[tenant.bob]\n\
                  [documents.a]\nroot = \"a\"\ntenant = \"alice\"\n\
                  [documents.b]\nroot = \"b\"\ntenant = \"bob\"\n\
                  [socket.s]\nunix = \"s\"\n\
                  [socket.alice]\nunix = \"alice\"\ntenant = \"alice\"\n";
    let files = [("a/app.wasm", "a"), ("b/app.wasm", "b")];
    let hosted = Hosted::serve(config, &files, &["s", "alice"]);
    let script = |path: &str| format!("{}/{path}", hosted.folder.display());
    let ask =
        |socket: &str, path: &str| hosted.ask(socket, "/x", &[("SCRIPT_FILENAME", &script(path))]);
    assert_eq!(ask("s", "a/app.wasm").text(), "a");
    assert_eq!(ask("s", "b/app.wasm").text(), "b");
    assert_eq!(ask("alice", "a/app.wasm").text(), "a");
    assert_eq!(ask("alice", "b/app.wasm").status(), 404);
    // Who has no part in it does not read where everybody's files are.
    let (nowhere, only) = (ask("s", "c/app.wasm"), ask("alice", "c/app.wasm"));
    let folder = |name: &str| format!("{}/{name}\"", hosted.folder.display());
    assert!(nowhere.log().contains("in none of 2 roots"));
    assert!(!nowhere.log().contains(&folder("b")), "{}", nowhere.log());
    assert!(only.log().contains(&folder("a")), "{}", only.log());
    Ok(())
}

fn a_file_stays_loaded_when_another_root_or_tenant_changes() -> Outcome {
    let tenant = |name: &str, more: &str| {
        format!(
            "[tenant.{name}]\n{more}[documents.{name}]\nroot = \"{name}\"\ntenant = \"{name}\"\n"
        )
    };
    let config = |alice: &str| {
        let sockets = "[socket.s]\nunix = \"s\"\n[socket.b]\nunix = \"b\"\ntenant = \"bob\"\n";
        tenant("alice", alice) + &tenant("bob", "") + sockets
    };
    let files = [("alice/app.wasm", "a"), ("bob/app.wasm", "b")];
    let hosted = Hosted::serve(&config(""), &files, &["s", "b"]);
    let script = |name: &str| format!("{}/{name}/app.wasm", hosted.folder.display());
    let ask = |socket: &str, name: &str| {
        let answer = hosted.ask(socket, "/x", &[("SCRIPT_FILENAME", &script(name))]);
        answer.text()
    };
    let loads = |name: &str| {
        let file = format!(" file={}", script(name));
        let log = hosted.program.log();
        let lines = log
            .lines()
            .filter(|line| line.contains(" loaded app=") && line.contains(&file));
        lines.count()
    };
    assert_eq!(
        [ask("s", "alice"), ask("s", "bob"), ask("b", "bob")],
        ["a", "b", "b"]
    );
    assert_eq!([loads("alice"), loads("bob")], [1, 1]);
    let changed = config("max_concurrent = 7\n");
    let more_roots = format!("{changed}[documents.more]\nroot = \"more\"\ntenant = \"alice\"\n");
    for (config, loaded) in [(&changed, 2), (&more_roots, 2)] {
        hosted.reconfigure(config, "was read again");
        assert_eq!(
            [ask("s", "alice"), ask("s", "bob"), ask("b", "bob")],
            ["a", "b", "b"]
        );
        assert_eq!([loads("alice"), loads("bob")], [loaded, 1]);
    }
    Ok(())
}

fn files_that_can_not_be_loaded_fill_no_log() -> Outcome {
    let hosted = Hosted::serve(&config(""), &[("www/app.wasm", "one")], &["s"]);
    let count = 50;
    for number in 0..count {
        let file = format!("www/{number}.wasm");
        fs::write(hosted.folder.join(&file), "broken").expect("written");
        let (status, _, log) = hosted.open(&file);
        assert_eq!(status, 503);
        assert!(log.contains("is no WebAssembly component"), "{log}");
    }
    let log = hosted.program.log();
    let told = log.lines().filter(|line| line.contains("WARN")).count();
    assert!((1..count / 2).contains(&told), "{told} lines: {log}");
    Ok(())
}
