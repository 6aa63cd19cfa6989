//! Python applications behind a real nginx, packaged as their authors would.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::example_build::{example, serve_example};
use crate::support::guest_build::target_folder;
use crate::support::http_client::{Client, Reply};
use crate::support::nginx::{Nginx, ROOT};
use crate::support::process::{Program, run};
use crate::support::{Outcome, Skip};

tests![
    the_packager_passes_its_own_tests,
    a_flask_login_lasts_by_its_cookie,
    flask_takes_a_multipart_upload_apart,
    flask_serves_its_files_and_error_pages,
    a_module_that_a_request_imports_is_named,
    flask_streams_its_first_line_early,
    the_web_servers_word_reaches_the_environ,
    a_django_form_wants_its_token,
    django_takes_uploads_of_any_size,
    starlette_has_tasks_timers_and_a_lifespan,
    starlette_streams_both_ways,
    old_scripts_and_single_files_are_served_as_they_are,
    an_application_that_fails_to_import_is_explained,
];

/// An example behind nginx, which takes it for the whole site.
struct Site {
    nginx: Nginx,
    program: Program,
}

/// Serves an example that is compiled before anybody waits for an answer:
/// for thirty megabytes an unoptimised compiler takes a minute.
fn served(name: &str) -> Result<Program, Skip> {
    let app = example(name)?;
    let checked = run(&["check", &app.display().to_string()]);
    assert!(checked.status.success(), "{}", complaint(&checked));
    serve_example(name)
}

impl Site {
    fn of(name: &str) -> Result<Self, Skip> {
        let program = served(name)?;
        let nginx = Nginx::start(&program.socket(), "", ROOT)?;
        Ok(Self { nginx, program })
    }

    #[track_caller]
    fn get(&self, target: &str) -> Reply {
        self.nginx.connect().get(target)
    }
}

/// A client that keeps the cookies it is given.
struct Visitor {
    client: Client<UnixStream>,
    cookies: Vec<(String, String)>,
}

impl Visitor {
    fn of(site: &Site) -> Self {
        Self {
            client: site.nginx.connect(),
            cookies: Vec::new(),
        }
    }

    #[track_caller]
    fn get(&mut self, target: &str) -> Reply {
        self.ask("GET", target, "text/plain", b"")
    }

    #[track_caller]
    fn submit(&mut self, target: &str, form: &str) -> Reply {
        let kind = "application/x-www-form-urlencoded";
        self.ask("POST", target, kind, form.as_bytes())
    }

    #[track_caller]
    fn ask(&mut self, method: &str, target: &str, kind: &str, body: &[u8]) -> Reply {
        let cookies = self.cookies.iter();
        let cookies: Vec<_> = cookies
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let (length, cookies) = (body.len(), cookies.join("; "));
        self.client.send(&format!(
            "{method} {target} HTTP/1.1\r\nHost: test.example\r\nCookie: {cookies}\r\n\
             Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
        ));
        self.client.send_bytes(body);
        let reply = self.client.reply(false);
        for (name, value) in &reply.head.fields {
            if name.eq_ignore_ascii_case("set-cookie") {
                let pair = value.split(';').next().unwrap_or_default();
                let (name, value) = pair.split_once('=').expect("a cookie");
                self.cookies.retain(|(known, _)| known != name);
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        reply
    }
}

/// A form with one file, and its content type.
fn form_with_file(fields: &[(&str, &str)], content: &[u8]) -> (&'static str, Vec<u8>) {
    let mut body = Vec::new();
    for (name, value) in fields {
        let part = format!("--frontier\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        body.extend(format!("{part}{value}\r\n").into_bytes());
    }
    body.extend(
        b"--frontier\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\
          Content-Type: application/octet-stream\r\n\r\n",
    );
    body.extend(content);
    body.extend(b"\r\n--frontier--\r\n");
    ("multipart/form-data; boundary=frontier", body)
}

fn bytes(size: u32) -> Vec<u8> {
    (0..size).map(|index| (index % 251) as u8).collect()
}

/// The line of a page that contains this.
#[track_caller]
fn line_with(reply: &Reply, wanted: &str) -> String {
    let text = reply.text();
    let line = text.lines().find(|line| line.contains(wanted));
    line.unwrap_or_else(|| panic!("no {wanted:?} in {text}"))
        .to_owned()
}

fn python_folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-sdk/python"))
}

fn the_packager_passes_its_own_tests() -> Outcome {
    let mut python = Command::new("python3");
    python
        .args(["-B", "-m", "unittest"])
        .current_dir(python_folder());
    let done = python.output();
    let done = done.map_err(|error| Skip(format!("there is no python3: {error}")))?;
    assert!(done.status.success(), "{}", complaint(&done));
    Ok(())
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn a_flask_login_lasts_by_its_cookie() -> Outcome {
    let site = Site::of("flask")?;
    let mut visitor = Visitor::of(&site);
    let reply = visitor.get("/notes/");
    assert_eq!(reply.head.status, 302);
    let location = reply.head.field("location").expect("a location");
    assert!(location.ends_with("/auth/login?next=/notes/"), "{location}");
    line_with(&visitor.get("/auth/login"), "Please log in first.");
    let reply = visitor.submit("/auth/login", "name=ada&password=wrong");
    assert_eq!(reply.head.status, 401);
    line_with(&reply, "Wrong name or password.");
    let reply = visitor.submit("/auth/login?next=/notes/", "name=ada&password=lovelace");
    assert_eq!(reply.head.status, 302);
    let reply = visitor.submit("/notes/new", "text=caf%C3%A9+%3Cb%3E");
    assert_eq!(reply.head.status, 302, "{}", reply.text());
    let reply = visitor.get("/notes/1");
    line_with(&reply, "café &lt;b&gt;");
    line_with(&reply, "Noted.");
    assert_eq!(visitor.get("/notes/2").head.status, 404);
    assert_eq!(visitor.submit("/auth/logout", "").head.status, 302);
    assert_eq!(visitor.get("/notes/1").head.status, 302);
    Ok(())
}

fn flask_takes_a_multipart_upload_apart() -> Outcome {
    let site = Site::of("flask")?;
    let mut visitor = Visitor::of(&site);
    for size in [10, 3_000_000] {
        let (kind, body) = form_with_file(&[("title", "T")], &bytes(size));
        let reply = visitor.ask("POST", "/files/", kind, &body);
        assert_eq!(reply.head.status, 200, "{}", reply.text());
        line_with(&reply, &format!("T: a.bin, {size} bytes"));
    }
    let (kind, body) = form_with_file(&[], &bytes(17 << 20));
    let reply = visitor.ask("POST", "/files/", kind, &body);
    assert_eq!(reply.head.status, 413);
    Ok(())
}

fn flask_serves_its_files_and_error_pages() -> Outcome {
    let site = Site::of("flask")?;
    let style = site.get("/static/style.css");
    assert_eq!(style.head.status, 200);
    let kind = style.head.field("content-type");
    assert_eq!(kind, Some("text/css; charset=utf-8"));
    let source = python_folder().join("../../examples/flask/notebook/static/style.css");
    assert!(style.body == fs::read(source).expect("a file"));
    let etag = style.head.field("etag").expect("a tag");
    let mut client = site.nginx.connect();
    client.send(&format!(
        "GET /static/style.css HTTP/1.1\r\nHost: h\r\nIf-None-Match: {etag}\r\n\r\n"
    ));
    assert_eq!(client.reply(false).head.status, 304);
    let reply = site.get("/nothing/here");
    assert_eq!(reply.head.status, 404);
    line_with(&reply, "There is nothing at /nothing/here.");
    assert_eq!(site.get("/static/../notebook.py").head.status, 404);
    let reply = site.get("/api/fail");
    assert_eq!(reply.head.status, 500);
    assert!(!reply.text().contains("on purpose"));
    site.program.wait_for_log("ValueError: on purpose");
    // With the line of source, which is in the component too.
    site.program.wait_for_log("raise ValueError(");
    Ok(())
}

fn a_module_that_a_request_imports_is_named() -> Outcome {
    let site = Site::of("flask")?;
    let reply = site.get("/files/report.csv");
    assert_eq!(reply.text(), "number,square\r\n1,1\r\n2,4\r\n3,9\r\n");
    let disposition = reply.head.field("content-disposition");
    assert_eq!(disposition, Some("attachment; filename=report.csv"));
    site.program.wait_for_log("csv was imported during");
    site.program.wait_for_log("--preload csv");
    Ok(())
}

fn flask_streams_its_first_line_early() -> Outcome {
    let site = Site::of("flask")?;
    let mut client = site.nginx.connect();
    client.send("GET /files/slow?name=Ada HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.head().status, 200);
    // In a piece of its own, so it did not wait for the second.
    let first = client.chunk().expect("a chunk");
    assert_eq!(String::from_utf8_lossy(&first), "first for Ada\n");
    client.read_chunks_until("second\n");
    assert_eq!(client.chunk(), Some(Vec::new()));
    Ok(())
}

fn the_web_servers_word_reaches_the_environ() -> Outcome {
    let program = served("flask")?;
    let nginx = Nginx::start(
        &program.socket(),
        "",
        r#"location /app {
            include /etc/nginx/fastcgi_params;
            fastcgi_split_path_info "^(/app)((?s).*)$";
            fastcgi_param PATH_INFO $fastcgi_path_info;
            fastcgi_param SCRIPT_NAME $fastcgi_script_name;
            fastcgi_param REMOTE_ADDR 192.0.2.7;
            fastcgi_param HTTPS on;
            fastcgi_pass APP;
        }"#,
    )?;
    let reply = nginx.connect().get("/app/who");
    assert_eq!(reply.text(), "addr=192.0.2.7 script=/app\n");
    let reply = nginx.connect().get("/app/?name=Ada");
    line_with(&reply, "Hello, Ada!");
    line_with(&reply, "You came by https from 192.0.2.7.");
    line_with(&reply, "href=\"/app/static/style.css\"");
    Ok(())
}

/// What Django wants to see again in what is submitted.
#[track_caller]
fn token_of(page: &Reply) -> String {
    let line = line_with(page, "csrfmiddlewaretoken");
    let mut parts = line.split('"').skip_while(|part| *part != " value=");
    parts.nth(1).expect("a token").to_owned()
}

fn a_django_form_wants_its_token() -> Outcome {
    let site = Site::of("django")?;
    let mut visitor = Visitor::of(&site);
    let page = visitor.get("/sign/");
    assert_eq!(page.head.status, 200, "{}", page.text());
    let token = token_of(&page);
    let reply = visitor.submit("/sign/", "name=Ada&message=x");
    assert_eq!(reply.head.status, 403);
    let form = format!("csrfmiddlewaretoken={token}&name=Ada");
    line_with(&visitor.submit("/sign/", &form), "This field is required.");
    let reply = visitor.submit("/sign/", &format!("{form}&message=na+s%C3%BAa"));
    assert_eq!(reply.head.field("location"), Some("/"));
    let home = visitor.get("/");
    line_with(&home, "Ada wrote: na súa");
    line_with(&home, "Thank you.");
    assert_eq!(visitor.get("/entry/2/").head.status, 404);
    assert_eq!(visitor.get("/fail/").head.status, 500);
    // Translations are files of the package.
    let mut client = site.nginx.connect();
    client.send("GET / HTTP/1.1\r\nHost: h\r\nAccept-Language: de\r\n\r\n");
    line_with(&client.reply(false), ": Ja");
    Ok(())
}

fn django_takes_uploads_of_any_size() -> Outcome {
    let site = Site::of("django")?;
    let mut visitor = Visitor::of(&site);
    let page = visitor.get("/file/");
    let token = token_of(&page);
    // Above 2.5 MB Django puts a file into a temporary one.
    for size in [10, 3_000_000] {
        let fields = [("csrfmiddlewaretoken", token.as_str()), ("title", "T")];
        let (kind, body) = form_with_file(&fields, &bytes(size));
        let reply = visitor.ask("POST", "/file/", kind, &body);
        line_with(&reply, &format!("\"name\": \"a.bin\", \"bytes\": {size}"));
    }
    Ok(())
}

fn starlette_has_tasks_timers_and_a_lifespan() -> Outcome {
    let site = Site::of("starlette")?;
    for (target, expected) in [
        ("/sync", "called in the only thread there is\n"),
        ("/threadpool", "6\n"),
        ("/both", "{\"done\":[0.3,0.2],\"at_once\":true}"),
        ("/started", "just now\n"),
        ("/background", "answered\n"),
    ] {
        assert_eq!(site.get(target).text(), expected, "{target}");
    }
    site.program.wait_for_log("the background task ran");
    assert_eq!(site.get("/fail").head.status, 500);
    site.program.wait_for_log("ValueError: on purpose");
    assert_eq!(site.get("/nothing").text(), "nothing at /nothing\n");
    let style = site.get("/static/style.css");
    assert_eq!(style.text(), "body { font-family: sans-serif; }\n");
    let mut visitor = Visitor::of(&site);
    assert_eq!(visitor.submit("/remember", "name=Ada").head.status, 303);
    assert_eq!(visitor.get("/remember").text(), "you are Ada\n");
    Ok(())
}

fn starlette_streams_both_ways() -> Outcome {
    let site = Site::of("starlette")?;
    let mut client = site.nginx.connect();
    client.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.head().status, 200);
    assert_eq!(client.chunk().expect("a chunk"), b"first\n");
    client.read_chunks_until("second\n");
    assert_eq!(client.chunk(), Some(Vec::new()));
    let mut visitor = Visitor::of(&site);
    let (kind, body) = form_with_file(&[("title", "T")], &bytes(3_000_000));
    let reply = visitor.ask("POST", "/form", kind, &body);
    let expected = "{\"title\":\"T\",\"name\":\"a.bin\",\"bytes\":3000000}";
    assert_eq!(reply.text(), expected);
    Ok(())
}

fn old_scripts_and_single_files_are_served_as_they_are() -> Outcome {
    let site = Site::of("flup")?;
    assert_eq!(site.get("/").text(), "Hello World!");
    let site = Site::of("bottle")?;
    let page = site.get("/?name=%C3%84da");
    line_with(&page, "Hello, Äda!");
    line_with(&page, "3 squared is 9");
    Ok(())
}

fn an_application_that_fails_to_import_is_explained() -> Outcome {
    // For the environment that it is built in.
    example("flask")?;
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("written");
    };
    write(
        "absent.py",
        "import flask\nimport there_is_no_such_module\n",
    );
    write("empty.py", "application_ = None\n");
    write("key.py", "import os\nSECRET = os.environ['SHOP_SECRET']\n");
    for (target, expected) in [
        ("nowhere:app", "there is no module 'nowhere'"),
        (
            "absent:app",
            "hint: no installed package has a module 'there_is_no_such_module'",
        ),
        ("empty:app", "the module 'empty' has nothing named 'app'"),
        ("key:app", "--env SHOP_SECRET=VALUE"),
    ] {
        let packager = target_folder().join("tools/python/bin/fcgi-wasm-python");
        let mut packager = Command::new(packager);
        packager.arg(target).current_dir(folder.path());
        let done = packager.output().expect("started");
        assert_eq!(done.status.code(), Some(1), "{target}");
        let complaint = complaint(&done);
        assert!(complaint.contains(expected), "{target}: {complaint}");
        assert!(!folder.path().join("app.wasm").exists());
    }
    Ok(())
}
