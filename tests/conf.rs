//! `fcgi-wasm conf`: what is printed is taken by the programs that it is for,
//! and serves.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::daemon::{Daemon, unprivileged};
use crate::support::guest_build::guest;
use crate::support::process::{Program, run};
use crate::support::{Outcome, Skip, apache, caddy, haproxy, lighttpd};

tests![
    nginx_takes_the_block,
    apache_takes_the_block,
    lighttpd_takes_the_block,
    caddy_takes_the_block,
    haproxy_takes_the_block,
    supervisor_takes_the_block,
    nginx_serves_with_the_block,
    apache_serves_with_the_block,
    lighttpd_serves_with_the_block,
    caddy_serves_with_the_block,
    haproxy_serves_with_the_block,
    a_printed_block_has_no_mistakes,
    values_that_would_need_quotes_are_refused,
];

/// The cases that a block differs by.
pub(crate) const CASES: &[&[&str]] = &[
    &["--socket", "/run/app.sock"],
    &["--socket", "/run/app.sock", "--mount", "/app.v2"],
    &["--listen", "127.0.0.1:9000"],
    &["--listen", "127.0.0.1:9000", "--mount", "/app.v2"],
];

#[track_caller]
pub(crate) fn printed(kind: &str, arguments: &[&str]) -> String {
    let line = [&["conf", kind, "app.wasm"], arguments].concat();
    let output = run(&line);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{line:?}: {complaint}");
    let text = String::from_utf8(output.stdout).expect("text");
    let marks = ["[mount]", "[root]", "[unix]", "[tcp]", "{name}", "{app}"];
    assert!(marks.iter().all(|mark| !text.contains(mark)), "{text}");
    text
}

/// Lets a program test its configuration.
pub(crate) fn test(command: &str, arguments: &[&str], text: &str) -> Result<(), Skip> {
    // Caddy makes folders in its home.
    let home = tempfile::tempdir().expect("a folder");
    let output = Command::new(command)
        .args(arguments)
        .env("HOME", home.path())
        .output();
    let output = output.map_err(|_| Skip(format!("there is no {command}")))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{command}: {said}\n{text}");
    Ok(())
}

fn written(folder: &TempDir, text: &str) -> String {
    let file = folder.path().join("conf");
    fs::write(&file, text).expect("written");
    file.to_str().expect("text").to_owned()
}

/// For each case a file around the block, tested by this command.
fn check(
    kind: &str,
    wrap: impl Fn(&Path, String) -> String,
    command: &str,
    arguments: &[&str],
) -> Outcome {
    for case in CASES {
        let folder = tempfile::tempdir().expect("a folder");
        let text = wrap(folder.path(), printed(kind, case));
        let file = written(&folder, &text);
        let arguments: Vec<_> = arguments
            .iter()
            .map(|word| if *word == "FILE" { file.as_str() } else { word })
            .collect();
        test(command, &arguments, &text)?;
    }
    Ok(())
}

fn nginx_takes_the_block() -> Outcome {
    let wrap = |folder: &Path, block: String| {
        let folder = folder.display();
        let block = block.replace("fastcgi_params", "/etc/nginx/fastcgi_params");
        format!(
            "pid {folder}/pid; error_log {folder}/log; events {{}}\n\
             http {{ access_log off; {block} }}"
        )
    };
    check("nginx", wrap, "nginx", &["-t", "-q", "-c", "FILE"])
}

fn apache_takes_the_block() -> Outcome {
    let modules = Path::new("/usr/lib/apache2/modules");
    if !modules.join("mod_proxy_fcgi.so").exists() {
        return Err(Skip("there is no mod_proxy_fcgi.so".to_owned()));
    }
    let wrap = |folder: &Path, block: String| {
        let mut text = format!(
            "ServerRoot {0}\nDefaultRuntimeDir {0}\nErrorLog {0}/log\nServerName x\nListen 127.0.0.1:80\n",
            folder.display()
        );
        for module in ["mpm_event", "authz_core", "proxy", "proxy_fcgi"] {
            let file = modules.join(format!("mod_{module}.so"));
            text += &format!("LoadModule {module}_module {}\n", file.display());
        }
        text + &format!("<VirtualHost *:80>\n{block}</VirtualHost>\n")
    };
    check("apache", wrap, "apache2", &["-t", "-f", "FILE"])
}

fn lighttpd_takes_the_block() -> Outcome {
    let wrap = |folder: &Path, block: String| {
        format!("server.document-root = \"{}\"\n{block}", folder.display())
    };
    check("lighttpd", wrap, "lighttpd", &["-tt", "-f", "FILE"])
}

fn caddy_takes_the_block() -> Outcome {
    let arguments = ["validate", "--adapter", "caddyfile", "--config", "FILE"];
    check("caddy", |_, block| block, "caddy", &arguments)
}

fn haproxy_takes_the_block() -> Outcome {
    check(
        "haproxy",
        |_, block| block,
        "haproxy",
        &["-c", "-q", "-f", "FILE"],
    )
}

fn supervisor_takes_the_block() -> Outcome {
    if !Path::new("/usr/bin/supervisord").exists() {
        return Err(Skip("there is no supervisord".to_owned()));
    }
    // Its log has to have a folder; and the user has to be one that there is.
    let wrap = |folder: &Path, block: String| {
        let block = block.replace("/var/log/", &format!("{}/", folder.display()));
        format!("[supervisord]\nlogfile={}/log\n{block}", folder.display())
    };
    let parse = "import sys\nfrom supervisor.options import ServerOptions\n\
                 options = ServerOptions()\noptions.realize(['-c', sys.argv[1]])\n\
                 [group] = options.process_group_configs\nassert group.name == 'app', group.name\n\
                 assert group.socket_config is not None";
    check(
        "supervisor",
        wrap,
        "/usr/bin/python3",
        &["-c", parse, "FILE"],
    )
}

/// Lets a web server, started with the block for each mount, ask for paths: the
/// application is told these values of SCRIPT_NAME and PATH_INFO.
fn serve(
    kind: &str,
    without_slash: &str,
    start: impl Fn(String) -> Result<Daemon, Skip>,
) -> Outcome {
    let program = Program::serve(&guest("hello")?, &[]);
    let socket = program.socket();
    let given = ["--socket", socket.to_str().expect("text"), "--mount"];
    let web = start(printed(kind, &[&given[..], &["/"]].concat()))?;
    for (path, expected) in [
        ("/x%20y/z?q=1", "GET /x%20y/z:  + /x y/z\n"),
        ("/", "GET /:  + /\n"),
        ("/a%2Fb", "GET /a%2Fb:  + /a"),
    ] {
        let reply = web.connect().get(path);
        assert!(
            reply.text().contains(expected),
            "{kind} {path}: {}",
            reply.text()
        );
    }
    drop(web);
    let web = start(printed(kind, &[&given[..], &["/app.v2"]].concat()))?;
    for (path, expected) in [
        ("/app.v2/x%20y?q=1", "GET /app.v2/x%20y: /app.v2 + /x y\n"),
        ("/app.v2/", "GET /app.v2/: /app.v2 + /\n"),
        ("/app.v2?q=1", without_slash),
        ("/app.v2/a%2Fb", "GET /app.v2/a%2Fb: /app.v2 + /a"),
    ] {
        let reply = web.connect().get(path);
        assert!(
            reply.text().contains(expected),
            "{kind} {path}: {}",
            reply.text()
        );
    }
    // Outside of the mount the application is not asked.
    for path in ["/", "/app.v2x", "/app-v2/x"] {
        let reply = web.connect().get(path);
        assert!(
            !reply.text().contains("Hello"),
            "{kind} {path}: {}",
            reply.text()
        );
    }
    drop((web, program));
    for (mount, path) in [("/", ""), ("/app.v2", "/app.v2")] {
        matters(kind, mount, path, &start)?;
    }
    Ok(())
}

/// What the blocks of the manual do besides, the printed ones do too.
fn matters(
    kind: &str,
    mount: &str,
    path: &str,
    start: &impl Fn(String) -> Result<Daemon, Skip>,
) -> Outcome {
    let program = Program::serve(&guest("naughty")?, &[]);
    let socket = program.socket();
    let socket = socket.to_str().expect("text");
    let web = start(printed(kind, &["--socket", socket, "--mount", mount]))?;
    let mut client = web.connect();
    client.send(&format!(
        "GET {path}/headers HTTP/1.1\r\nHost: h\r\nAuthorization: Basic YTpi\r\nProxy: evil\r\n\r\n"
    ));
    let text = client.reply(false).text();
    let has = |line: &str| text.lines().any(|known| known == line);
    assert!(has("authorization: Basic YTpi"), "{kind} {mount}: {text}");
    assert!(!text.contains("evil"), "{kind} {mount}: {text}");
    let reply = web.connect().get(&format!("{path}/wide-head/60"));
    assert_eq!(reply.head.status, 200, "{kind} {mount}: {}", reply.text());
    let body = vec![b'b'; 3_000_000];
    let reply = web.connect().post(&format!("{path}/echo"), &body);
    assert!(reply.body == body, "{kind} {mount}: {}", reply.body.len());
    Ok(())
}

fn nginx_serves_with_the_block() -> Outcome {
    let start = |block: String| {
        let block = block
            .replace("fastcgi_params", "/etc/nginx/fastcgi_params")
            .replace("listen 80;", "listen 127.0.0.1:@PORT@;");
        let user = unprivileged().map_or(String::new(), |user| format!("user {user};"));
        let configuration = format!(
            "{user} daemon off; pid @FOLDER@/pid; error_log @FOLDER@/error.log; events {{}}
             http {{ access_log off; client_body_temp_path @FOLDER@/body;
             fastcgi_temp_path @FOLDER@/fastcgi; proxy_temp_path @FOLDER@/proxy;
             scgi_temp_path @FOLDER@/scgi; uwsgi_temp_path @FOLDER@/uwsgi; {block} }}"
        );
        let arguments = ["-c", "@FOLDER@/configuration", "-e", "@FOLDER@/error.log"];
        Daemon::start("nginx", &arguments, &configuration, Daemon::has_port)
    };
    serve("nginx", "GET /app.v2/: /app.v2 + /\n", start)?;
    // A line end in a path is part of it.
    let program = Program::serve(&guest("hello")?, &[]);
    let socket = program.socket();
    let given = [
        "--socket",
        socket.to_str().expect("text"),
        "--mount",
        "/app",
    ];
    let web = start(printed("nginx", &given))?;
    let reply = web.connect().get("/app/%0Ax");
    assert!(reply.text().contains("/app + /\nx\n"), "{}", reply.text());
    Ok(())
}

fn apache_serves_with_the_block() -> Outcome {
    let start = |block: String| apache::start(&block);
    serve("apache", "GET /app.v2: /app.v2 + \n", start)
}

fn lighttpd_serves_with_the_block() -> Outcome {
    let start = |block: String| lighttpd::start(&block);
    serve("lighttpd", "GET /app.v2: /app.v2 + \n", start)
}

fn caddy_serves_with_the_block() -> Outcome {
    let start = |block: String| {
        caddy::start(&block.replace("example.com {", "http://:@PORT@ {\nbind 127.0.0.1"))
    };
    serve("caddy", "GET /app.v2: /app.v2 + \n", start)
}

fn haproxy_serves_with_the_block() -> Outcome {
    let start = |block: String| haproxy::start(&block.replace("bind :80", "bind 127.0.0.1:@PORT@"));
    serve("haproxy", "GET /app.v2: /app.v2 + \n", start)
}

fn a_printed_block_has_no_mistakes() -> Outcome {
    let program = Program::serve(&guest("hello")?, &[]);
    let socket = program.socket();
    let socket = socket.to_str().expect("text");
    for kind in ["nginx", "apache", "lighttpd", "caddy", "haproxy"] {
        for mount in ["/", "/app"] {
            let folder = tempfile::tempdir().expect("a folder");
            let text = printed(kind, &["--socket", socket, "--mount", mount]);
            let file = written(&folder, &text);
            // Recognised by what is in it; the socket is the tests' own.
            let output = run(&["conf", "--check", &file, "--user", "root"]);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{kind} {mount}: {said}{text}");
            assert_eq!(said.lines().count(), 1, "{kind} {mount}: {said}");
        }
    }
    Ok(())
}

fn values_that_would_need_quotes_are_refused() -> Outcome {
    for wrong in [
        ["--socket", "/run/a b"],
        ["--mount", "/a\"b"],
        ["--user", "a;b"],
    ] {
        let output = run(&["conf", "nginx", "app.wasm", wrong[0], wrong[1]]);
        assert_eq!(output.status.code(), Some(1), "{wrong:?}");
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(complaint.contains("would need quotes"), "{complaint}");
    }
    Ok(())
}
