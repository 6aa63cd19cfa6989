//! What is wrong with a configuration, and what is said of it.

use super::{folder, load};

/// The complaints about one file, without its folder.
fn complaints(text: &str) -> String {
    let folder = folder(&[("main.toml", text)]);
    let error = load(&folder.path().join("main.toml")).expect_err(text);
    let folder = format!("{}/", folder.path().display());
    error.to_string().replace(&folder, "")
}

#[test]
fn what_is_wrong_is_told_with_line_key_and_cure() {
    for (text, expected) in [
        (
            "[app.blog]\nfiel = \"x\"",
            "main.toml:2: app.blog.fiel: there is no such key in [app.NAME]; did you mean `file`?",
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
            "main.toml:3: socket.a.tcp: a socket has one place",
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
            "[defaults]\ninterface = \"foo\"",
            "main.toml:2: defaults.interface: there is no interface \"foo\": choose one of native",
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
            "[app.x]\nfile = \"x\"\nroutes = [\"a.example:8080/b\"]",
            "main.toml:3: app.x.routes: \"a.example:8080/b\" has a port",
        ),
        (
            "[app.x]\nfile = \"x\"\nroutes = [\"::1/\"]",
            "main.toml:3: app.x.routes: \"::1/\" has a port",
        ),
        (
            "[socket.a]\nunix = \"s\"\n[documents.x]\nroot = \"www\"\n[documents.y]\nroot = \"./www/\"",
            "main.toml:6: documents.y.root: documents.x has this folder already, on socket.a: keep one",
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
            "[tenant.a.defaults]\nmemroy = \"64MiB\"",
            "main.toml:2: tenant.a.defaults.memroy: there is no such key in [tenant.NAME.defaults]; did you mean `memory`?",
        ),
        (
            "[tenant.a]\ndefaults = \"64MiB\"",
            "main.toml:2: tenant.a.defaults: there is no such key in [tenant.NAME]; `fcgi-wasm config schema` has them all",
        ),
        (
            "[status]\nunix = \"s\"",
            "main.toml:2: status.unix: there is no such key in [status]; it has `listen`, `clients`",
        ),
        (
            "[defaults]\nsecret_env = [\"A=/b\"]",
            "main.toml:2: defaults.secret_env: array is not a table of paths",
        ),
        (
            "[defaults]\nsend_file = [\"/files\"]",
            "main.toml:2: defaults.send_file: write GUEST=WEB_SERVER",
        ),
        (
            "[defaults]\nsend_file_by = \"caddy\"",
            "main.toml:2: defaults.send_file_by: write \"nginx\", \"apache\" or \"lighttpd\"",
        ),
        (
            "[defaults]\nlog_rate = \"0B\"",
            "main.toml:2: defaults.log_rate: write a number over 0 and a unit",
        ),
        (
            "[log]\nfile = \"l\"\nsyslog = \"/dev/log\"",
            "main.toml:3: log.syslog: the log has one place",
        ),
        (
            "[log]\nlevel = \"loud\"",
            "main.toml:2: log.level: write \"error\", \"warn\", \"info\"",
        ),
        (
            "[log]\naccess_log_format = \"{stauts}\"",
            "main.toml:2: log.access_log_format: the access log's format has an unknown word {stauts}",
        ),
        (
            "[status]\nlisten = \"0.0.0.0:9900\"",
            "main.toml:2: status.listen: this address is reached from other machines",
        ),
        (
            "[status]\nclients = [\"10.0.0.1\"]",
            "main.toml:1: status.listen: it is not set",
        ),
        (
            "[status]\nlisten = \"9900\"",
            "main.toml:2: status.listen: write an address like 127.0.0.1:9900, or unix:PATH",
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
            "main.toml:3: app.x: `file` stands above already: keep one",
        ),
        (
            "[app.x]\nfile = \"x\"\n[app.y]\n[ app.x ] # again",
            "main.toml:4: app.x: this table stands above already: keep one",
        ),
        (
            "[app.x]\nenv = { B = \"1\", A = 5 }",
            "main.toml:2: app.x.env: A is integer and not a text: write A = \"value\"",
        ),
        ("x = ", "main.toml:1: "),
        (
            "[app.x]\nfile = \"x\"",
            "main.toml:1: there is nowhere to listen",
        ),
        ("", "main.toml:1: there is nowhere to listen"),
        (
            "[defaults]\nmax_head = \"65KiB\"",
            "main.toml:2: defaults.max_head: the server sends no longer head: write 64KiB",
        ),
        (
            "[socket.s]\nunix = \"s\"\nallowed_clients = [\"10.0.0.1\"]",
            "main.toml:3: socket.s.allowed_clients: it says nothing about a socket with `unix`",
        ),
        (
            "[socket.s]\ntcp = \"127.0.0.1:9000\"\nmode = \"0660\"",
            "main.toml:3: socket.s.mode: it says nothing about a socket with `tcp`",
        ),
        (
            "[socket.s]\nhttp = \"127.0.0.1:9000\"\nmultiplex = false",
            "main.toml:3: socket.s.multiplex: it says nothing about a socket with `http`",
        ),
        (
            "[socket.s]\ninherited = true\nowner = \"root\"",
            "main.toml:3: socket.s.owner: it says nothing about a socket with `inherited`",
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
