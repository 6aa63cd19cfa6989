//! Many applications by one configuration: who answers, and what a change of it
//! does to those who are being served.

use std::fs;
use std::os::unix::fs::MetadataExt;

use rustix::process::Signal;

use crate::support::guest_build::guest;
use crate::support::hosting::{Hosted, deploy, get_with};
use crate::support::process::run;
use crate::support::web_server::*;
use crate::support::{Outcome, wait_until};

tests![
    host_and_path_choose,
    a_socket_may_be_bound_to_an_application_or_a_tenant,
    a_param_chooses_only_where_it_may_and_among_those_of_the_socket,
    params_tighten_limits_and_never_widen_them,
    one_broken_application_keeps_no_other_from_starting,
    applications_are_loaded_when_they_are_asked_for_and_unloaded_when_not,
    a_new_configuration_keeps_what_stays_and_drains_what_goes,
    a_wrong_configuration_changes_nothing,
    what_is_changed_in_an_application_is_swapped,
    a_broken_file_keeps_no_route_and_no_limit_that_was_changed,
    an_application_and_a_configuration_exclude_each_other,
    settings_of_a_tenant_reach_its_applications,
];

const APPS: &[(&str, &str)] = &[
    ("blog.wasm", "blog"),
    ("admin.wasm", "admin"),
    ("any.wasm", "any"),
];

const CONFIG: &str = "
[tenant.alice]
[app.blog]
file = \"blog.wasm\"
tenant = \"alice\"
routes = [\"blog.example/\"]
[app.admin]
file = \"admin.wasm\"
tenant = \"alice\"
routes = [\"blog.example/admin\"]
[app.any]
file = \"any.wasm\"
routes = [\"/\"]
[socket.s]
unix = \"s\"
";

fn host_and_path_choose() -> Outcome {
    let hosted = Hosted::serve(CONFIG, APPS, &["s"]);
    for (host, path, expected) in [
        ("blog.example", "/", "blog"),
        ("BLOG.example:8080", "/x", "blog"),
        ("blog.example", "/admin/x", "admin"),
        ("blog.example", "/administrator", "blog"),
        ("other.example", "/admin", "any"),
    ] {
        let answer = hosted.ask("s", path, &[("HTTP_HOST", host)]);
        assert_eq!(answer.text(), expected, "{host}{path}");
    }
    Ok(())
}

fn a_socket_may_be_bound_to_an_application_or_a_tenant() -> Outcome {
    let config = format!(
        "{CONFIG}[socket.any]\nunix = \"any\"\napp = \"any\"\n\
         [socket.alice]\nunix = \"alice\"\ntenant = \"alice\"\n"
    );
    let hosted = Hosted::serve(&config, APPS, &["s", "any", "alice"]);
    let blog = [("HTTP_HOST", "blog.example")];
    assert_eq!(hosted.ask("any", "/admin", &blog).text(), "any");
    assert_eq!(hosted.ask("alice", "/admin", &blog).text(), "admin");
    let answer = hosted.ask("alice", "/", &[("HTTP_HOST", "other.example")]);
    assert_eq!(answer.status(), 404, "another tenant's");
    Ok(())
}

fn a_param_chooses_only_where_it_may_and_among_those_of_the_socket() -> Outcome {
    let config = format!(
        "{CONFIG}[socket.open]\nunix = \"open\"\nchoose_by_param = true\n\
         [socket.alice]\nunix = \"alice\"\ntenant = \"alice\"\nchoose_by_param = true\n"
    );
    let hosted = Hosted::serve(&config, APPS, &["s", "open", "alice"]);
    let named = |socket: &str, name: &str| hosted.ask(socket, "/", &[("FCGI_WASM_APP", name)]);
    assert_eq!(named("open", "admin").text(), "admin");
    assert_eq!(named("open", "any").text(), "any");
    assert_eq!(named("open", "").text(), "any", "no name is no choice");
    assert_eq!(named("s", "admin").text(), "any", "it means nothing there");
    assert_eq!(named("alice", "admin").text(), "admin");
    for (socket, name) in [("alice", "any"), ("open", "nobody"), ("open", "../admin")] {
        let answer = named(socket, name);
        assert_eq!(answer.status(), 404, "{name} on {socket}");
        assert!(answer.log().contains("FCGI_WASM_APP"), "{}", answer.log());
    }
    // A client's header field is no param.
    let forged = [("HTTP_FCGI_WASM_APP", "admin")];
    assert_eq!(hosted.ask("open", "/", &forged).text(), "any");
    Ok(())
}

fn params_tighten_limits_and_never_widen_them() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(guest("naughty")?, folder.path().join("naughty.wasm")).expect("copied");
    let config = "[app.naughty]\nfile = \"naughty.wasm\"\nroutes = [\"/\"]\ncpu_time = \"300ms\"\n\
                  [socket.s]\nunix = \"s\"\n";
    let hosted = Hosted::serve_folder(folder, config, &["s"]);
    let answer = hosted.ask("s", "/spin", &[("FCGI_WASM_CPU_TIME", "50ms")]);
    assert_eq!(answer.status(), 504);
    assert!(answer.log().contains("50ms"), "{}", answer.log());
    let answer = hosted.ask("s", "/spin", &[("FCGI_WASM_CPU_TIME", "1h")]);
    assert_eq!(answer.status(), 504);
    assert!(answer.log().contains("300ms"), "{}", answer.log());
    let answer = hosted.ask("s", "/hello", &[("FCGI_WASM_TIMEOUT", "soon")]);
    assert_eq!(answer.status(), 500);
    assert!(
        answer.log().contains("FCGI_WASM_TIMEOUT"),
        "{}",
        answer.log()
    );
    assert_eq!(hosted.ask("s", "/hello", &[]).status(), 200);
    Ok(())
}

fn one_broken_application_keeps_no_other_from_starting() -> Outcome {
    let config = format!(
        "{CONFIG}[app.missing]\nfile = \"missing.wasm\"\nroutes = [\"/missing\"]\npreload = true\n\
         [app.broken]\nfile = \"broken.wasm\"\nroutes = [\"/broken\"]\n"
    );
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in APPS {
        deploy(&folder.path().join(name), text);
    }
    fs::write(folder.path().join("broken.wasm"), "(module (nonsense))").expect("written");
    let hosted = Hosted::serve_folder(folder, &config, &["s"]);
    assert_eq!(hosted.ask("s", "/", &[]).text(), "any");
    for path in ["/missing", "/broken"] {
        let answer = hosted.ask("s", path, &[]);
        assert_eq!(answer.status(), 503);
        assert!(
            answer.log().contains("can not be loaded"),
            "{}",
            answer.log()
        );
        assert_eq!(answer.headers("retry-after").len(), 1);
    }
    // It is served as soon as it is there.
    deploy(&hosted.folder.join("missing.wasm"), "here now");
    assert_eq!(hosted.ask("s", "/missing", &[]).text(), "here now");
    Ok(())
}

fn applications_are_loaded_when_they_are_asked_for_and_unloaded_when_not() -> Outcome {
    let config = format!("[server]\nloaded_apps = 1\nidle_unload = \"300ms\"\n{CONFIG}");
    let hosted = Hosted::serve(&config, APPS, &["s"]);
    assert!(!hosted.program.log().contains("loaded app="));
    let blog = [("HTTP_HOST", "blog.example")];
    for round in 1..=2 {
        assert_eq!(hosted.ask("s", "/", &blog).text(), "blog");
        assert_eq!(hosted.ask("s", "/admin", &blog).text(), "admin");
        hosted
            .program
            .wait_for_log("unloaded: others need its place app=alice/blog");
        wait_until("the other is unloaded because nobody asks", || {
            let log = hosted.program.log();
            log.matches("unloaded: nobody asks for it app=alice/admin")
                .count()
                == round
        });
    }
    Ok(())
}

fn a_new_configuration_keeps_what_stays_and_drains_what_goes() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(guest("naughty")?, folder.path().join("naughty.wasm")).expect("copied");
    let app = "[app.naughty]\nfile = \"naughty.wasm\"\nroutes = [\"/\"]\n";
    let socket = |name: &str| format!("[socket.{name}]\nunix = \"{name}\"\n");
    let config = format!("{app}{}{}", socket("stays"), socket("goes"));
    let hosted = Hosted::serve_folder(folder, &config, &["stays", "goes"]);
    let mut kept = hosted.connect("stays");
    assert_eq!(kept.ask(1, &get(1, "/hello", true)).status(), 200);
    let mut idle = hosted.connect("goes");
    assert_eq!(idle.ask(1, &get(1, "/hello", true)).status(), 200);
    let mut busy = hosted.connect("goes");
    busy.send(&post_head(1, "/early", 5, true));
    assert_eq!(busy.read_record().expect("it runs").kind, STDOUT);
    let before = fs::metadata(hosted.folder.join("stays")).expect("a socket");

    let config = format!("{app}{}{}", socket("stays"), socket("new"));
    hosted.reconfigure(&config, "was read again");
    assert_eq!(hosted.ask("new", "/hello", &[]).text(), "hello\n");
    assert_eq!(
        kept.ask(1, &get(1, "/hello", true)).status(),
        200,
        "the same connection"
    );
    let now = fs::metadata(hosted.folder.join("stays")).expect("a socket");
    assert_eq!(before.ino(), now.ino());
    wait_until("the socket is gone", || {
        !hosted.folder.join("goes").exists()
    });
    assert!(idle.is_closed());
    busy.send(&stdin(1, b"rest\n"));
    assert_eq!(busy.answer(1).stdout, b"rest\n");
    Ok(())
}

fn a_wrong_configuration_changes_nothing() -> Outcome {
    let mut hosted = Hosted::serve(CONFIG, APPS, &["s"]);
    let taken = std::os::unix::net::UnixListener::bind(hosted.folder.join("taken"));
    let _taken = taken.expect("bound");
    for (wrong, expected) in [
        (
            "[app.any]\nfiel = \"x\"\n".to_owned(),
            "did you mean `file`?",
        ),
        (
            format!("{CONFIG}[socket.t]\nunix = \"taken\"\n"),
            "listens on",
        ),
        (format!("{CONFIG}\n= 1\n"), "main.toml:"),
    ] {
        hosted.reconfigure(&wrong, "the configuration is refused");
        hosted.program.wait_for_log(expected);
        assert_eq!(hosted.ask("s", "/", &[]).text(), "any");
    }
    hosted.program.signal(Signal::TERM);
    assert!(hosted.program.wait().success());
    assert!(!hosted.folder.join("s").exists());
    Ok(())
}

fn what_is_changed_in_an_application_is_swapped() -> Outcome {
    let hosted = Hosted::serve(CONFIG, APPS, &["s"]);
    assert_eq!(hosted.ask("s", "/", &[]).text(), "any");
    // Another file, a broken one, and then a good one again.
    deploy(&hosted.folder.join("other.wasm"), "other");
    let other = CONFIG.replace("any.wasm", "other.wasm");
    hosted.reconfigure(&other, "was read again");
    assert_eq!(hosted.ask("s", "/", &[]).text(), "other");
    fs::write(hosted.folder.join("broken.wasm"), "broken").expect("written");
    let broken = CONFIG.replace("any.wasm", "broken.wasm");
    hosted.reconfigure(&broken, "was read again");
    hosted.program.wait_for_log("is no WebAssembly component");
    assert_eq!(
        hosted.ask("s", "/", &[]).text(),
        "other",
        "the old one goes on"
    );
    hosted.reconfigure(CONFIG, "was read again");
    assert_eq!(hosted.ask("s", "/", &[]).text(), "any");
    // An application that is taken out is gone.
    let without = CONFIG.replace("[app.any]\nfile = \"any.wasm\"\nroutes = [\"/\"]\n", "");
    hosted.reconfigure(&without, "was read again");
    assert_eq!(hosted.ask("s", "/", &[]).status(), 404);
    Ok(())
}

fn a_broken_file_keeps_no_route_and_no_limit_that_was_changed() -> Outcome {
    let hosted = Hosted::serve(CONFIG, APPS, &["s"]);
    let ask = |host: &str| hosted.ask("s", "/", &[("HTTP_HOST", host)]);
    assert_eq!(ask("any.example").text(), "any");
    assert_eq!(ask("blog.example").text(), "blog");
    for name in ["any.wasm", "blog.wasm"] {
        fs::write(hosted.folder.join(name), "broken").expect("written");
    }
    // Its route is given to another, and it gets a new one.
    let config = CONFIG.replace("routes = [\"/\"]", "routes = [\"any.example/\"]");
    let config = config.replace("example/admin\"]", "example/admin\", \"/\"]");
    hosted.reconfigure(&config, "was read again");
    assert_eq!(ask("other.example").text(), "admin");
    assert_eq!(ask("any.example").text(), "any", "only its file is broken");
    let config = config.replace("\"any.wasm\"\n", "\"any.wasm\"\nmemory = \"8MiB\"\n");
    hosted.reconfigure(&config, "was read again");
    assert_eq!(ask("any.example").status(), 503);
    hosted
        .program
        .wait_for_log("because its limits or grants were changed app=any");
    assert_eq!(ask("blog.example").text(), "blog", "nothing changed for it");
    let config = config.replace("[tenant.alice]", "[tenant.alice]\nmax_concurrent = 7");
    hosted.reconfigure(&config, "was read again");
    assert_eq!(ask("blog.example").status(), 503);
    hosted
        .program
        .wait_for_log("its tenant was changed app=blog");
    assert_eq!(ask("other.example").text(), "admin", "its file is whole");
    let config = config.replace("[app.blog]", "[tenant.bob]\n[app.blog]");
    let config = config.replace(
        "tenant = \"alice\"\nroutes = [\"blog.example/admin",
        "tenant = \"bob\"\nroutes = [\"blog.example/admin",
    );
    fs::write(hosted.folder.join("admin.wasm"), "broken").expect("written");
    hosted.reconfigure(&config, "was read again");
    assert_eq!(ask("other.example").status(), 503);
    hosted
        .program
        .wait_for_log("it belongs to another tenant now app=admin");
    deploy(&hosted.folder.join("any.wasm"), "whole again");
    assert_eq!(ask("any.example").text(), "whole again");
    Ok(())
}

fn an_application_and_a_configuration_exclude_each_other() -> Outcome {
    for more in [
        &["app.wasm"] as &[&str],
        &["--socket", "s"],
        &["--memory", "64MiB"],
        &["--slow", "2s"],
        &["--authorizer"],
    ] {
        let output = run(&[&["serve", "--config", "main.toml"], more].concat());
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(complaint.contains("cannot be used with"), "{complaint}");
    }
    for (mixture, expected) in [
        (
            &["serve", "--config", "main.toml", "--config", "key=value"] as &[&str],
            "--setting <KEY=VALUE>\n",
        ),
        (&["serve", "--config", "key=value"], "<APP>"),
        (
            &["request", "app.wasm", "--config", "main.toml"],
            "'main.toml' for '--setting <KEY=VALUE>': write it with an equals sign",
        ),
    ] {
        let output = run(mixture);
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(complaint.contains(expected), "{complaint}");
    }
    let output = run(&["serve"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("<APP>"));
    let output = run(&["config", "check", "/nonexistent/main.toml"]);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(complaint.contains("/nonexistent/main.toml"), "{complaint}");
    assert!(!output.status.success());
    Ok(())
}

fn settings_of_a_tenant_reach_its_applications() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(guest("naughty")?, folder.path().join("naughty.wasm")).expect("copied");
    let config = "[tenant.alice]\nmax_concurrent = 1\nqueue = 0\n\
                  [app.one]\nfile = \"naughty.wasm\"\ntenant = \"alice\"\nroutes = [\"/\"]\n\
                  [app.two]\nfile = \"naughty.wasm\"\ntenant = \"alice\"\nroutes = [\"two.example/\"]\n\
                  [app.bobs]\nfile = \"naughty.wasm\"\nroutes = [\"bob.example/\"]\n\
                  [socket.s]\nunix = \"s\"\n";
    let hosted = Hosted::serve_folder(folder, config, &["s"]);
    let mut busy = hosted.connect("s");
    busy.send(&post_head(1, "/early", 5, true));
    assert_eq!(busy.read_record().expect("it runs").kind, STDOUT);
    let two = hosted
        .connect("s")
        .ask(1, &get_with("/hello", &[("HTTP_HOST", "two.example")]));
    assert_eq!(two.status(), 503, "the tenant has one place");
    assert!(two.log().contains("tenant alice"), "{}", two.log());
    let bobs = hosted.ask("s", "/hello", &[("HTTP_HOST", "bob.example")]);
    assert_eq!(bobs.status(), 200);
    busy.send(&stdin(1, b"rest\n"));
    busy.answer(1);
    Ok(())
}
