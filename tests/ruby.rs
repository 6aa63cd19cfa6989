//! CGI scripts in Ruby, behind a real nginx: what is particular to them.

use std::path::PathBuf;
use std::sync::OnceLock;

use crate::support::example_build::{example, serve_example};
use crate::support::nginx::Nginx;
use crate::support::process::{Program, run};
use crate::support::{Outcome, Skip};

tests![
    scripts_are_found_by_their_file_name,
    cgi_and_erb_and_cookies_work,
    exceptions_are_logged_with_their_backtrace,
    a_folder_that_is_not_granted_is_named,
];

/// As one would configure it for Ruby: URLs that end in `.rb` are scripts.
const SCRIPTS: &str = r#"
    location / {
        include /etc/nginx/fastcgi_params;
        fastcgi_param PATH_INFO $fastcgi_script_name;
        fastcgi_param SCRIPT_NAME "";
        fastcgi_pass APP;
    }
    location ~ \.rb$ {
        include /etc/nginx/fastcgi_params;
        fastcgi_param SCRIPT_FILENAME /cgi-bin$fastcgi_script_name;
        fastcgi_pass APP;
    }"#;

/// The interpreter, compiled: that takes longer than a server is waited for,
/// and too long to be done by all tests at a time.
fn compiled() -> Result<PathBuf, Skip> {
    static COMPILED: OnceLock<()> = OnceLock::new();

    let app = example("ruby")?;
    COMPILED.get_or_init(|| drop(run(&["compile", app.to_str().expect("text")])));
    Ok(app)
}

fn ruby() -> Result<Program, Skip> {
    compiled()?;
    serve_example("ruby")
}

fn scripts_are_found_by_their_file_name() -> Outcome {
    let program = ruby()?;
    let nginx = Nginx::start(&program.socket(), "", SCRIPTS)?;
    let hello = nginx.connect().get("/");
    assert!(
        hello.text().starts_with("Hello from Ruby 3.4"),
        "{}",
        hello.text()
    );
    assert_eq!(nginx.connect().get("/nowhere").head.status, 404);
    let order = nginx.connect().post("/api.rb", br#"{"item":"x"}"#);
    assert_eq!(order.head.field("content-type"), Some("application/json"));
    let digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    assert_eq!(
        order.text(),
        format!("{{\"item\":\"x\",\"digest\":\"{digest}\"}}\n")
    );
    // Nothing outside its folder is a script.
    let outside = nginx
        .connect()
        .get("/%2e%2e/usr/local/lib/ruby/3.4.0/set.rb");
    assert_ne!(outside.head.status, 200);
    Ok(())
}

fn cgi_and_erb_and_cookies_work() -> Outcome {
    let program = ruby()?;
    let nginx = Nginx::start(&program.socket(), "", SCRIPTS)?;
    let form = nginx.connect().get("/form.rb");
    assert!(
        form.text().contains("<form method=\"post\">"),
        "{}",
        form.text()
    );
    let mut client = nginx.connect();
    client.send(
        "POST /form.rb HTTP/1.1\r\nHost: h\r\nCookie: visits=4\r\nContent-Length: 16\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\nname=A%3CB%C3%A4",
    );
    let reply = client.reply(false);
    assert!(reply.text().contains("Hello, A&lt;B"), "{}", reply.text());
    let cookie = reply.head.field("set-cookie").unwrap_or_default();
    assert!(cookie.starts_with("visits=5"), "{cookie}");
    Ok(())
}

fn exceptions_are_logged_with_their_backtrace() -> Outcome {
    let program = ruby()?;
    let nginx = Nginx::start(&program.socket(), "", SCRIPTS)?;
    let reply = nginx.connect().get("/api.rb?raise");
    assert!((500..600).contains(&reply.head.status), "{reply:?}");
    let log = nginx.error_log();
    assert!(log.contains("as asked (ArgumentError)"), "{log}");
    assert!(log.contains("/cgi-bin/api.rb:"), "{log}");
    let reply = nginx.connect().get("/api.rb?exit");
    assert!((500..600).contains(&reply.head.status), "{reply:?}");
    assert!(
        nginx.error_log().contains("status 3"),
        "{}",
        nginx.error_log()
    );
    // The visitor has what was said before.
    let late = nginx.connect().get("/api.rb?late");
    assert_eq!((late.head.status, late.text().as_str()), (200, "before\n"));
    let log = nginx.error_log();
    assert!(log.contains("too late (RuntimeError)"), "{log}");
    assert!(log.contains("said at the exit"), "{log}");
    Ok(())
}

fn a_folder_that_is_not_granted_is_named() -> Outcome {
    let app = compiled()?;
    let output = run(&["request", app.to_str().expect("text"), "/"]);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("serve --dir FOLDER::/cgi-bin"), "{log}");
    Ok(())
}
