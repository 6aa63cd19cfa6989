//! Configurations, right and wrong.

use std::fs;
use std::path::Path;

use fcgi_wasm::{Budget, Policy};
use tempfile::TempDir;

use super::keys::{INCLUDE, TABLES};
use super::{Plan, load, read, schema, show};

/// What the manual says of the keys.
const MANUAL: &str = include_str!("../../../../docs/configuration.md");

const SOCKET: &str = "[socket.main]\nunix = \"s\"\n";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }
    folder
}

fn loaded(text: &str) -> Plan {
    let folder = folder(&[("main.toml", text)]);
    load(&folder.path().join("main.toml")).expect("sound")
}

/// The complaints about one file, without its folder.
fn complaints(text: &str) -> String {
    let folder = folder(&[("main.toml", text)]);
    let error = load(&folder.path().join("main.toml")).expect_err(text);
    let folder = format!("{}/", folder.path().display());
    error.to_string().replace(&folder, "")
}

#[test]
fn nothing_said_is_what_the_library_has() {
    let plan = loaded(&format!(
        "{SOCKET}[app.blog]\nfile = \"blog.wasm\"\n[tenant.alice]\n"
    ));
    assert_eq!(plan.apps["blog"].policy, Policy::strict());
    assert_eq!(plan.tenants["blog"].budget, Budget::strict());
    assert_eq!(plan.tenants["alice"].budget, Budget::strict());
}

#[test]
fn every_default_can_be_read() {
    for table in TABLES {
        for key in table.keys().filter(|key| !key.default.is_empty()) {
            let read = key.kind.of_text(key.default, Path::new("/"));
            assert!(read.is_ok(), "{}.{}: {read:?}", table.name, key.name);
        }
    }
}

#[test]
fn what_is_wrong_is_told_with_line_key_and_cure() {
    for (text, expected) in [
        (
            "[app.blog]\nfiel = \"x\"",
            "main.toml:2: app.blog.fiel: there is no such key in [app]; did you mean `file`?",
        ),
        (
            "\n[sokcet.main]",
            "main.toml:2: sokcet: there is no such table; did you mean `socket`?",
        ),
        (
            "[app]\nfile = \"x\"",
            "main.toml:2: app.file: it needs a name: write [app.NAME] before it",
        ),
        (
            "[defaults]\nmemory = 64",
            "main.toml:2: defaults.memory: integer is not a size in quotes, like \"64MiB\"",
        ),
        (
            "[defaults]\nmemory = \"much\"",
            "main.toml:2: defaults.memory: write a number and a unit, like 64MiB",
        ),
        (
            "[defaults]\ntimeout = \"0s\"",
            "main.toml:2: defaults.timeout: a limit of no time lets nothing pass",
        ),
        (
            "[defaults]\ncpu_share = 0",
            "main.toml:2: defaults.cpu_share: write a number of processors over 0, like 0.5",
        ),
        (
            "[defaults]\nallow_net = [\"localhost\"]",
            "main.toml:2: defaults.allow_net: \"localhost\" is no address",
        ),
        (
            "[socket.a]\nunix = \"s\"\ntcp = \"127.0.0.1:1\"",
            "main.toml:2: socket.a.unix: a socket has one place",
        ),
        (
            "[socket.a]\nunix = \"s\"\n[socket.b]\nunix = \"./s\"",
            "main.toml:4: socket.b.unix: another socket listens on ",
        ),
        (
            "[socket.a]\nunix = \"s\"\nmode = \"999\"",
            "main.toml:3: socket.a.mode: write up to three octal digits",
        ),
        (
            "[socket.a]\nunix = \"s\"\napp = \"blgo\"\n[app.blog]\nfile = \"x\"",
            "main.toml:3: socket.a.app: there is no [app.blgo]; did you mean `blog`?",
        ),
        (
            "[socket.a]\nunix = \"s\"\ntenant = \"bob\"",
            "main.toml:3: socket.a.tenant: there is no [tenant.bob]",
        ),
        (
            "[app.x]\nfile = \"x\"\ntenant = \"alcie\"\n[tenant.alice]",
            "main.toml:3: app.x.tenant: there is no [tenant.alcie]; did you mean `alice`?",
        ),
        (
            "[app.x]\nroutes = [\"/\"]",
            "main.toml:1: app.x.file: it is not set",
        ),
        (
            "[app.x]\nfile = \"x\"\nroutes = [\"shop.example\"]",
            "main.toml:3: app.x.routes: \"shop.example\" has no slash",
        ),
        (
            "[app.x]\nfile = \"x\"\nroutes = [\"http://a/\"]",
            "main.toml:3: app.x.routes: \"http://a/\" is a URL",
        ),
        (
            "[socket.a]\nunix = \"s\"\n[app.x]\nfile = \"x\"\nroutes = [\"A.example/\"]\n[app.y]\nfile = \"y\"\nroutes = [\"a.example\", \"a.example/\"]",
            "main.toml:8: app.y.routes: \"a.example\" has no slash",
        ),
        (
            "[socket.a]\nunix = \"s\"\n[app.x]\nfile = \"x\"\nroutes = [\"A.example/\"]\n[app.y]\nfile = \"y\"\nroutes = [\"a.example/\"]",
            "main.toml:8: app.y.routes: \"a.example/\" leads to app.x already, on socket.a",
        ),
        (
            "[tenant.a]\nuser = \"nobody-at-all\"",
            "main.toml:2: tenant.a.user: there is no user \"nobody-at-all\"",
        ),
        (
            "[documents.d]\n",
            "main.toml:1: documents.d.root: it is not set",
        ),
        (
            "[app.\"a b\"]\nfile = \"x\"",
            "main.toml:1: app.a b: a name has letters",
        ),
        (
            "[app.x]\nfile = \"x\"\nfile = \"y\"",
            "main.toml:3: duplicate key",
        ),
        ("x = ", "main.toml:1: "),
        (
            "[app.x]\nfile = \"x\"",
            "main.toml:1: app.x.socket: there is nowhere to listen",
        ),
        (
            "include = \"none.toml\"",
            "main.toml:1: include: there is no file ",
        ),
        (
            "[app.x]\nfile = \"x\"\ndir = [\"data\"]",
            "main.toml:3: app.x.dir: \"data\": a relative folder needs a name",
        ),
    ] {
        let complaints = complaints(text);
        assert!(complaints.contains(expected), "{complaints}\nfor\n{text}");
    }
    let all = complaints("[app.x]\nfiel = \"x\"\n[defaults]\nmemory = 1\n");
    assert_eq!(all.lines().count(), 2, "{all}");
}

#[test]
fn files_are_included_and_their_paths_are_their_own() {
    let folder = folder(&[
        (
            "main.toml",
            "include = \"apps.d/*.toml\"\n[defaults]\nmemory = \"64MiB\"\n",
        ),
        (
            "apps.d/alice.toml",
            "[socket.alice]\nunix = \"../s\"\n[app.blog]\nfile = \"blog.wasm\"\ndir = [\"data::/data\"]\n",
        ),
        (
            "apps.d/bob.toml",
            "[app.shop]\nfile = \"/srv/shop.wasm\"\nmemory = \"32MiB\"\n",
        ),
    ]);
    let main = folder.path().join("main.toml");
    let plan = load(&main).expect("sound");
    assert_eq!(
        plan.apps["blog"].file,
        folder.path().join("apps.d/blog.wasm")
    );
    assert_eq!(plan.apps["shop"].file, Path::new("/srv/shop.wasm"));
    let place = plan.sockets["alice"].listen.place();
    assert_eq!(place, folder.path().join("s").display().to_string());
    let mib = 1024 * 1024;
    let data = format!("{}::/data", folder.path().join("apps.d/data").display());
    let data = fcgi_wasm::Folder::parse(&data).expect("a folder");
    let grants = fcgi_wasm::Grants::none().folder(data);
    let expected = Policy::strict().memory_max(64 * mib).grants(grants);
    assert_eq!(plan.apps["blog"].policy, expected);
    assert_eq!(
        plan.apps["shop"].policy,
        Policy::strict().memory_max(32 * mib)
    );
    assert_eq!(plan.missing.len(), 2, "{:?}", plan.missing);
    // What an included file may not have, and what stands twice.
    fs::write(
        folder.path().join("apps.d/c.toml"),
        "[server]\n[app.blog]\nfile = \"x\"\n",
    )
    .expect("written");
    let error = load(&main).expect_err("wrong").to_string();
    assert!(
        error.contains("c.toml:1: server: it stands in the main file only"),
        "{error}"
    );
    assert!(
        error.contains("c.toml:2: app.blog: it stands in "),
        "{error}"
    );
    assert!(error.contains("alice.toml:3 already"), "{error}");
}

#[test]
fn who_answers_where() {
    let plan = loaded(
        "[tenant.alice]\n[app.blog]\nfile = \"b\"\ntenant = \"alice\"\n[app.shop]\nfile = \"s\"\n\
         [socket.all]\nunix = \"1\"\n[socket.alice]\nunix = \"2\"\ntenant = \"alice\"\n\
         [socket.shop]\nunix = \"3\"\napp = \"shop\"\n",
    );
    for (socket, blog, shop, alices_roots) in [
        ("all", true, true, true),
        ("alice", true, false, true),
        ("shop", false, true, false),
    ] {
        let socket = &plan.sockets[socket];
        assert_eq!(socket.is_for("blog", &plan.apps["blog"]), blog);
        assert_eq!(socket.is_for("shop", &plan.apps["shop"]), shop);
        assert_eq!(socket.is_for_tenant("alice"), alices_roots);
    }
}

#[test]
fn what_is_shown_says_where_it_comes_from_and_no_secrets() {
    let text = "[defaults]\nmemory = \"64MiB\"\n[app.blog]\nfile = \"x\"\ntimeout = \"5s\"\nenv = { KEY = \"secret\" }\n";
    let folder = folder(&[("main.toml", text)]);
    let shown = show::show(&read(&folder.path().join("main.toml")).expect("sound"));
    let blog = &shown[shown.find("[app.blog]").expect("shown")..];
    let main = format!("{}/main.toml", folder.path().display());
    for (setting, origin) in [
        ("memory = \"64MiB\"", format!("# {main}:2")),
        ("timeout = \"5s\"", format!("# {main}:5")),
        ("cpu_time = \"10s\"", "# default".to_owned()),
        ("env = { KEY = \"…\" }", format!("# {main}:6")),
    ] {
        let line = blog.lines().find(|line| line.starts_with(setting));
        assert!(
            line.is_some_and(|line| line.ends_with(&origin)),
            "{setting} in {blog}"
        );
    }
    assert!(!shown.contains("secret"));
}

#[test]
fn the_manual_and_the_schema_have_every_key() {
    let schema = schema::schema();
    assert!(MANUAL.contains(&format!("| `{}` |", INCLUDE.name)));
    for table in TABLES {
        let header = match table.is_named {
            true => format!("[{}.NAME]", table.name),
            false => format!("[{}]", table.name),
        };
        assert!(MANUAL.contains(&header), "{header}");
        let mut content = &schema["properties"][table.name];
        if table.is_named {
            content = &content["additionalProperties"];
        }
        for key in table.keys() {
            let default = match key.default {
                "" => "",
                default => &format!("`{default}`"),
            };
            let row = format!(
                "| `{}` | {} | {default} | {} |",
                key.name,
                key.kind.written(),
                key.about
            );
            assert!(MANUAL.contains(&row), "the manual lacks\n{row}");
            assert!(
                content["properties"].get(key.name).is_some(),
                "{}",
                key.name
            );
        }
    }
}

#[test]
fn the_configuration_of_the_manual_is_sound() {
    let manual = include_str!("../../../../docs/hosting.md");
    let mut blocks = manual.split("```toml\n").skip(1);
    let whole = blocks.next().and_then(|rest| rest.split("```").next());
    let whole = whole.expect("a configuration").replace("www-data", "root");
    let whole = whole
        .replace("user = \"alice\"", "user = \"root\"")
        .replace("user = \"bob\"", "user = \"root\"");
    let plan = loaded(&whole);
    assert_eq!(plan.tenants.len(), 3);
}
