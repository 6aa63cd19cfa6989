//! Configurations, right and wrong.

use std::fs;
use std::path::Path;
use std::time::Duration;

use clap::Args as _;
use fcgi_wasm::{Budget, Grants, MIB, Policy, Secret, SendFileBy, SentFolder};
use tempfile::TempDir;

use super::keys::{INCLUDE, TABLES, TENANT_DEFAULTS};
use super::{Plan, load, read, schema, show};

mod complaints;

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
    let grants = Grants::none().folder(data);
    let expected = Policy::strict().memory_max(64 * mib).grants(grants);
    assert_eq!(plan.apps["blog"].policy, expected);
    assert_eq!(
        plan.apps["shop"].policy,
        Policy::strict().memory_max(32 * mib)
    );
    assert_eq!(plan.missing.len(), 3, "{:?}", plan.missing);
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
fn every_flag_about_an_application_is_a_key() {
    let table = TABLES.iter().find(|table| table.name == "app");
    let table = table.expect("a table");
    let flags = crate::args::AppArgs::augment_args(clap::Command::new("flags"));
    for flag in flags.get_arguments().map(|flag| flag.get_id().as_str()) {
        assert!(table.key(flag).is_some(), "--{flag}");
    }
    let text = "[app.blog]\nfile = \"b\"\nhead_time = \"3s\"\nslow = \"2s\"\n\
        max_head = \"16KiB\"\nmax_answer = \"1MiB\"\nauthorizer = true\n\
        send_file = [\"/files=/internal\"]\nsend_file_by = \"nginx\"\n\
        setting = { theme = \"dark\" }\nsecret_env = { KEY = \"key\" }\n\
        secret_setting = { word = \"/w\" }\n";
    let folder = folder(&[("main.toml", &format!("{SOCKET}{text}"))]);
    let plan = load(&folder.path().join("main.toml")).expect("sound");
    let grants = Grants::none().setting("theme", "dark");
    let grants = grants
        .secret(Secret::variable("KEY", folder.path().join("key")))
        .secret(Secret::setting("word", "/w"));
    let sent = SentFolder::new("/files", "/internal").expect("a folder");
    let expected = Policy::strict()
        .head_time_max(Duration::from_secs(3))
        .slow_after(Duration::from_secs(2))
        .response_head_max(16 * 1024)
        .response_body_max(MIB)
        .may_authorize(true)
        .send_files(sent)
        .send_file_by(SendFileBy::XAccelRedirect)
        .grants(grants);
    assert_eq!(plan.apps["blog"].policy, expected);
    // Secrets that are not there keep only their application from being loaded.
    let missing = super::all(plan.missing).to_string();
    assert!(
        missing.contains("app.blog.secret_env: there is no "),
        "{missing}"
    );
}

#[test]
fn a_tenants_defaults_hold_for_what_is_its() {
    let plan = loaded(&format!(
        "{SOCKET}[defaults]\nmemory = \"64MiB\"\ntimeout = \"5s\"\n\
         [tenant.alice]\n[tenant.alice.defaults]\nmemory = \"32MiB\"\nmax_concurrent = 3\n\
         [app.blog]\nfile = \"b\"\ntenant = \"alice\"\n\
         [app.shop]\nfile = \"s\"\ntenant = \"alice\"\nmemory = \"256MiB\"\n\
         [app.alice]\nfile = \"a\"\n[documents.d]\nroot = \"d\"\ntenant = \"alice\"\n\
         [app.bobs]\nfile = \"o\"\n"
    ));
    let policy = |mib| {
        let policy = Policy::strict().memory_max(mib * MIB);
        policy.wall_time_max(Duration::from_secs(5))
    };
    let of_alice = |mib| policy(mib).budget(Budget::strict().requests_max(3));
    assert_eq!(plan.apps["blog"].policy, of_alice(32));
    assert_eq!(plan.apps["alice"].policy, of_alice(32));
    assert_eq!(plan.documents["d"].policy, of_alice(32));
    assert_eq!(plan.apps["shop"].policy, of_alice(256), "no ceiling");
    assert_eq!(plan.apps["bobs"].policy, policy(64));
    // What all of them may take together is the tenant's own.
    assert_eq!(plan.tenants["alice"].budget, Budget::strict());
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
fn a_folder_is_shared_on_different_sockets_and_an_address_may_be_a_host() {
    let plan = loaded(
        "[tenant.a]\n[tenant.b]\n\
         [documents.x]\nroot = \"www\"\ntenant = \"a\"\n\
         [documents.y]\nroot = \"www\"\ntenant = \"b\"\n\
         [app.z]\nfile = \"z\"\nroutes = [\"[::1]/\", \"a.example/at:8080\"]\n\
         [socket.a]\nunix = \"1\"\ntenant = \"a\"\n[socket.b]\nunix = \"2\"\ntenant = \"b\"\n",
    );
    assert_eq!(plan.documents["x"].root, plan.documents["y"].root);
}

#[test]
fn what_is_shown_says_where_it_comes_from_and_no_secrets() {
    let text = "[defaults]\nmemory = \"64MiB\"\n[app.blog]\nfile = \"x\"\ntimeout = \"5s\"\nenv = { KEY = \"word\" }\n\
        setting = { KEY = \"word\" }\nsecret_env = { KEY = \"hidden\" }\n\
        [tenant.blog.defaults]\nslow = \"2s\"\n";
    let folder = folder(&[("main.toml", text), ("hidden", "word")]);
    let shown = show::show(&read(&folder.path().join("main.toml")).expect("sound"));
    let blog = &shown[shown.find("[app.blog]").expect("shown")..];
    let main = format!("{}/main.toml", folder.path().display());
    for (setting, origin) in [
        ("memory = \"64MiB\"", format!("# {main}:2")),
        ("timeout = \"5s\"", format!("# {main}:5")),
        ("cpu_time = \"10s\"", "# default".to_owned()),
        ("env = { KEY = \"…\" }", format!("# {main}:6")),
        ("setting = { KEY = \"…\" }", format!("# {main}:7")),
        ("secret_env = { KEY = \"hidden\" }", format!("# {main}:8")),
        ("slow = \"2s\"", format!("# {main}:10")),
    ] {
        let line = blog.lines().find(|line| line.starts_with(setting));
        assert!(
            line.is_some_and(|line| line.ends_with(&origin)),
            "{setting} in {blog}"
        );
    }
    assert!(!shown.contains("word"));
    // What is not written at all holds as well, and can be read again.
    let server = &shown[shown.find("[server]").expect("shown")..];
    assert!(server.contains("instances = 256 "), "{server}");
    fs::write(folder.path().join("shown.toml"), &shown).expect("written");
    let again = show::show(&read(&folder.path().join("shown.toml")).expect("sound"));
    assert_eq!(again.matches("# default").count(), 0, "{again}");
}

#[test]
fn the_manual_and_the_schema_have_every_key() {
    let schema = schema::schema();
    assert!(MANUAL.contains(&format!("| `{}` |", INCLUDE.name)));
    for table in TABLES.iter().chain([&TENANT_DEFAULTS]) {
        let header = format!("[{}]", table.header);
        assert!(MANUAL.contains(&header), "{header}");
        let mut content = &schema;
        for name in table.header.split('.') {
            content = match name {
                "NAME" => &content["additionalProperties"],
                name => &content["properties"][name],
            };
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
