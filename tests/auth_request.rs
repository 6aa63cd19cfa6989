//! nginx's auth_request, which asks a plain application whether a request may
//! pass, and the example of a gate, which answers that in either way.

use crate::support::authorizer::*;
use crate::support::daemon::Daemon;
use crate::support::guest_build::guest;
use crate::support::nginx::Nginx;
use crate::support::process::Program;
use crate::support::{Outcome, Skip, lighttpd};

tests![
    nginx_guards_by_auth_request,
    conformance_27_nginx_never_lets_pass_what_fails,
    the_gate_checks_signed_tokens,
];

/// Asks the application by a request of its own, about the path that a field
/// names in the place of the path that is asked for.
const AUTH_REQUEST: &str = r#"
    location /private {
        auth_request /gate;
        auth_request_set $user $upstream_http_x_remote_user;
        add_header X-User $user;
        root @FOLDER@/files;
    }
    location = /gate {
        internal;
        include /etc/nginx/fastcgi_params;
        fastcgi_pass_request_body off;
        fastcgi_param CONTENT_LENGTH "";
        fastcgi_param SCRIPT_NAME "";
        fastcgi_param PATH_INFO $http_x_gate;
        fastcgi_pass APP;
    }"#;

/// The manual's recipe.
const IN_FRONT: &str = r#"
    location /private/ {
        auth_request /gate;
        auth_request_set $user $upstream_http_x_remote_user;

        include /etc/nginx/fastcgi_params;
        fastcgi_param REMOTE_USER $user;
        fastcgi_pass unix:BEHIND;
    }
    location = /gate {
        internal;
        include /etc/nginx/fastcgi_params;
        fastcgi_pass_request_body off;
        fastcgi_param CONTENT_LENGTH "";
        fastcgi_pass APP;
    }"#;

fn nginx_with(program: &Program) -> Result<Nginx, Skip> {
    let nginx = Nginx::start(&program.socket(), "", AUTH_REQUEST)?;
    hide(&nginx.path("files"), &["/private/x"]);
    Ok(nginx)
}

fn nginx_guards_by_auth_request() -> Outcome {
    let program = Program::serve(&guest("naughty")?, &[]);
    let nginx = nginx_with(&program)?;
    let reply = get_with(&mut nginx.connect(), "/private/x", "X-Gate: /hello");
    assert_eq!((reply.head.status, reply.text().as_str()), (200, SECRET));
    for (gate, status) in [
        ("/status/401", 401),
        ("/status/403", 403),
        ("/nowhere", 500),
    ] {
        let field = format!("X-Gate: {gate}");
        let reply = get_with(&mut nginx.connect(), "/private/x", &field);
        assert_eq!(reply.head.status, status, "{gate}");
        check_kept_out(&reply, gate);
    }
    Ok(())
}

fn conformance_27_nginx_never_lets_pass_what_fails() -> Outcome {
    let program = Program::serve(&guest("naughty")?, LIMITS);
    let nginx = nginx_with(&program)?;
    for gate in [
        "/trap",
        "/fail",
        "/exit/1",
        "/spin",
        "/sleep",
        "/grow",
        "/big-head/70000",
    ] {
        let field = format!("X-Gate: {gate}");
        check_kept_out(&get_with(&mut nginx.connect(), "/private/x", &field), gate);
    }
    // What can only judge does not answer, and nobody is no answer either.
    let judge = Program::serve(&guest("naughty-roles")?, &[]);
    let nginx = nginx_with(&judge)?;
    check_kept_out(
        &get_with(&mut nginx.connect(), "/private/x", "X-Gate: /allow"),
        "no role",
    );
    drop(judge);
    let gone = get_with(&mut nginx.connect(), "/private/x", "X-Gate: /allow");
    check_kept_out(&gone, "gone");
    assert_eq!(gone.head.status, 500);
    Ok(())
}

fn behind_lighttpd(program: &Program) -> Result<Daemon, Skip> {
    let socket = program.socket();
    let lighttpd = lighttpd::start(&format!(
        r#"server.modules += ("mod_fastcgi")
        fastcgi.server = ("/private" => (("socket" => "{}", "mode" => "authorizer",
            "check-local" => "disable", "docroot" => "@FOLDER@/files")))"#,
        socket.display()
    ))?;
    hide(&lighttpd.path("files"), &["/private/allow"]);
    Ok(lighttpd)
}

fn the_gate_checks_signed_tokens() -> Outcome {
    // printf ada.32503680000 | openssl dgst -sha256 -hmac "$SECRET"
    const TOKEN: &str =
        "ada.32503680000.603b245db6650b75d8992eb4267b476344f7455d03c25b55d8873db74677a69d";
    const SIGNED: &str = "GATE_SECRET=an example of 32 bytes, not more";
    let program = Program::serve(&guest("gate")?, &["--env", SIGNED]);
    let lighttpd = behind_lighttpd(&program)?;
    let bearer = format!("Authorization: Bearer {TOKEN}");
    let cookie = format!("Cookie: a=b; gate={TOKEN}");
    for field in [&bearer, &cookie] {
        let reply = get_with(&mut lighttpd.connect(), "/private/allow", field);
        assert_eq!((reply.head.status, reply.text().as_str()), (200, SECRET));
    }
    let forged = bearer.replace("ada", "root");
    let reply = get_with(&mut lighttpd.connect(), "/private/allow", &forged);
    assert_eq!(reply.head.status, 401);
    check_kept_out(&reply, "forged");
    check_kept_out(&lighttpd.connect().get("/private/allow"), "no token");
    // The same component behind nginx, as a responder.
    let nginx = nginx_with(&program)?;
    let reply = get_with(&mut nginx.connect(), "/private/x", &cookie);
    assert_eq!(
        (reply.head.status, reply.head.field("x-user")),
        (200, Some("ada"))
    );
    check_kept_out(
        &get_with(&mut nginx.connect(), "/private/x", "X: y"),
        "no token",
    );
    // In front of an application, which learns the name from nobody else.
    let app = Program::serve(&guest("naughty-cgi")?, &[]);
    let behind = IN_FRONT.replace("BEHIND", &app.socket().display().to_string());
    let nginx = Nginx::start(&program.socket(), "", &behind)?;
    let reply = get_with(&mut nginx.connect(), "/private/x", &cookie);
    let text = reply.text();
    assert!(text.contains("\nREMOTE_USER=ada\n"), "{text}");
    let forged = format!("{cookie}\r\nAuthorization: Basic cm9vdDpwdw==\r\nRemote-User: root");
    let text = get_with(&mut nginx.connect(), "/private/x", &forged).text();
    assert!(text.contains("\nREMOTE_USER=ada\n"), "{text}");
    let reply = nginx.connect().get("/private/x");
    assert_eq!(reply.head.status, 401);
    // Without a secret nobody passes.
    let program = Program::serve(&guest("gate")?, &[]);
    let lighttpd = behind_lighttpd(&program)?;
    let reply = get_with(&mut lighttpd.connect(), "/private/allow", &bearer);
    assert_eq!(reply.head.status, 500);
    check_kept_out(&reply, "no secret");
    Ok(())
}
