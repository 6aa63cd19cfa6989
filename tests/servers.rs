//! Behind each real web server.

use crate::support::guest_build::guest;
use crate::support::process::Program;
use crate::support::{Outcome, apache, lighttpd};

tests![
    apache_passes_the_path_at_the_mount,
    lighttpd_passes_the_path_at_the_mount,
];

fn apache_passes_the_path_at_the_mount() -> Outcome {
    let program = Program::serve(&guest("hello")?, &["--mount", "/app"]);
    let socket = program.socket();
    let app = socket.display();
    let apache = apache::start(&format!("ProxyPass /app \"unix:{app}|fcgi://app/app\""))?;
    let text = apache.connect().get("/app/x/y").text();
    assert!(text.ends_with("GET /app/x/y: /app + /x/y\n"), "{text}");
    Ok(())
}

fn lighttpd_passes_the_path_at_the_mount() -> Outcome {
    let program = Program::serve(&guest("hello")?, &[]);
    let socket = program.socket();
    let app = socket.display();
    let lighttpd = lighttpd::start(&format!(
        r#"server.modules += ("mod_fastcgi")
        fastcgi.server = ("/app" => (("socket" => "{app}", "check-local" => "disable")))"#
    ))?;
    let text = lighttpd.connect().get("/app/x/y").text();
    assert!(text.ends_with("GET /app/x/y: /app + /x/y\n"), "{text}");
    Ok(())
}
