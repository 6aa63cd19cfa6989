//! `fcgi-wasm conf --check`: each mistake that people make is found, in its
//! line.

use std::fs;
use std::os::unix::net::UnixListener;

use crate::support::Outcome;
use crate::support::process::run;

tests![
    mistakes_of_nginx_are_found,
    what_stands_in_other_files_is_not_missed,
    mistakes_of_apache_are_found,
    mistakes_of_lighttpd_are_found,
    mistakes_of_caddy_are_found,
    mistakes_of_haproxy_are_found,
];

/// Mistakes by line and words.
type Mistakes<'c> = &'c [(usize, &'c str)];

/// A configuration, and the mistakes in it.
type Case<'c> = (&'c str, Mistakes<'c>);

/// Checks text in which `SOCKET` is one that answers; the lines that are found.
pub(crate) fn found(kind: &str, text: &str, arguments: &[&str]) -> (Vec<String>, Option<i32>) {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("s");
    let _listener = UnixListener::bind(&socket).expect("bound");
    let file = folder.path().join("conf");
    let socket = socket.to_str().expect("text");
    fs::write(&file, text.replace("SOCKET", socket)).expect("written");
    let file = file.to_str().expect("text");
    let mut line = vec!["conf", "--check", file];
    if !kind.is_empty() {
        line.push(kind);
    }
    line.extend(arguments);
    let output = run(&line);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).replace(&format!("{file}:"), "");
    (
        said.lines().map(str::to_owned).collect(),
        output.status.code(),
    )
}

#[track_caller]
pub(crate) fn check(kind: &str, cases: &[Case<'_>]) {
    for (text, expected) in cases {
        let (lines, status) = found(kind, text, &["--user", "root"]);
        let is_finding = |line: &&String| line.starts_with(|first: char| first.is_ascii_digit());
        let mistakes: Vec<_> = lines
            .iter()
            .filter(is_finding)
            .filter(|line| !line.contains(": note: "))
            .collect();
        assert_eq!(mistakes.len(), expected.len(), "{text}\n{lines:#?}");
        for ((number, words), found) in expected.iter().zip(&mistakes) {
            assert!(
                found.starts_with(&format!("{number}: ")),
                "{number} {words}: {lines:#?}"
            );
            assert!(found.contains(words), "{words:?} in {found}");
        }
        assert_eq!(status, Some(i32::from(!expected.is_empty())), "{lines:#?}");
    }
}

/// What of nginx's block is right in each case.
pub(crate) const NGINX: &str =
    "include fastcgi_params; fastcgi_buffer_size 68k; fastcgi_param HTTP_PROXY \"\"; ";

fn mistakes_of_nginx_are_found() -> Outcome {
    let inside: &[Case<'_>] = &[
        (
            "fastcgi_param PATH_INFO $fastcgi_script_name;\nfastcgi_param SCRIPT_NAME \"\"; fastcgi_pass unix:SOCKET;",
            &[],
        ),
        ("\nfastcgi_pass unix:SOCKET;", &[(3, "no PATH_INFO")]),
        (
            "fastcgi_param PATH_INFO $fastcgi_path_info;\nfastcgi_pass unix:SOCKET;",
            &[(2, "empty without fastcgi_split_path_info")],
        ),
        (
            "fastcgi_param PATH_INFO $fastcgi_script_name;\nfastcgi_pass unix:SOCKET;",
            &[(2, "so twice")],
        ),
        (
            "\nfastcgi_split_path_info ^(/app)(.*)$; fastcgi_param PATH_INFO $fastcgi_path_info; fastcgi_pass unix:SOCKET;",
            &[(3, "%0a")],
        ),
        (
            "fastcgi_split_path_info ^(/app)((?s).*)$; fastcgi_param PATH_INFO $fastcgi_path_info; fastcgi_pass unix:SOCKET;",
            &[],
        ),
        (
            "\nfastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name; fastcgi_pass unix:SOCKET;",
            &[(3, "how PHP is asked")],
        ),
        (
            "fastcgi_split_path_info ^(.+\\.php)(/.+)$; fastcgi_param PATH_INFO $fastcgi_path_info; fastcgi_pass unix:SOCKET;",
            &[(2, "PHP script")],
        ),
        (
            "fastcgi_param PATH_INFO $fastcgi_script_name;\nfastcgi_param SCRIPT_NAME \"\"; try_files $uri =404; fastcgi_pass unix:SOCKET;",
            &[(3, "try_files")],
        ),
        (
            "fastcgi_param PATH_INFO $fastcgi_script_name;\nfastcgi_param SCRIPT_NAME \"\"; fastcgi_read_timeout 30s; fastcgi_pass unix:SOCKET;",
            &[(3, "under the server's --timeout")],
        ),
        (
            "fastcgi_param PATH_INFO $fastcgi_script_name;\nfastcgi_param SCRIPT_NAME \"\"; fastcgi_keep_conn on; fastcgi_pass unix:SOCKET;",
            &[(3, "keeps connections only of an upstream")],
        ),
        (
            "fastcgi_param PATH_INFO $fastcgi_script_name;\nfastcgi_param SCRIPT_NAME \"\"; fastcgi_keep_conn on; fastcgi_pass kept;",
            &[],
        ),
        (
            "fastcgi_param PATH_INFO $fastcgi_script_name;\nfastcgi_param SCRIPT_NAME \"\"; fastcgi_pass kept;",
            &[(1, "without fastcgi_keep_conn")],
        ),
        (
            "fastcgi_param PATH_INFO $fastcgi_script_name;\nfastcgi_param SCRIPT_NAME \"\"; fastcgi_keep_conn on; fastcgi_pass loose;",
            &[(3, "has no keepalive")],
        ),
        (
            "include snippets/fastcgi-php.conf; fastcgi_param PATH_INFO $fastcgi_script_name;\nfastcgi_param SCRIPT_NAME \"\"; fastcgi_pass unix:SOCKET;",
            &[(2, "for PHP")],
        ),
    ];
    for (location, mistakes) in inside {
        let text = format!(
            "upstream kept {{ server unix:SOCKET; keepalive 4; }} upstream loose {{ server unix:SOCKET; }}\n\
             server {{ location / {{ {NGINX} {location} }} }}\n"
        );
        check("nginx", &[(&text, mistakes)]);
    }
    check(
        "nginx",
        &[
            (
                "location / {\nfastcgi_pass unix:SOCKET;\n}",
                &[
                    (2, "no `include fastcgi_params`"),
                    (2, "fastcgi_buffer_size is 4096"),
                ],
            ),
            // Params are inherited all or none.
            (
                "server { include fastcgi_params; fastcgi_buffer_size 68k;\nlocation / {\nfastcgi_param PATH_INFO $uri; fastcgi_pass unix:SOCKET; } }",
                &[(3, "no `include fastcgi_params`")],
            ),
            (
                "server { include fastcgi_params; fastcgi_param PATH_INFO $uri; fastcgi_param SCRIPT_NAME \"\";\nfastcgi_buffer_size 8k;\nlocation / { fastcgi_pass unix:SOCKET; } }",
                &[(2, "fastcgi_buffer_size is 8192")],
            ),
        ],
    );
    Ok(())
}

fn what_stands_in_other_files_is_not_missed() -> Outcome {
    let text = "location / {\n include snippets/app.conf;\n fastcgi_pass unix:SOCKET;\n}\n";
    check("nginx", &[(text, &[])]);
    let (lines, _) = found("nginx", text, &["--user", "root"]);
    let told = "2: note: included files are not read";
    assert_eq!(lines.first().map(String::as_str), Some(told), "{lines:#?}");
    Ok(())
}

fn mistakes_of_apache_are_found() -> Outcome {
    let recipe = "ProxyFCGISetEnvIf true PATH_INFO /x\nProxyFCGISetEnvIf true SCRIPT_NAME /a\n";
    let app = "ProxyPass /app unix:SOCKET|fcgi://a/app";
    let inside = |place: &str| format!("<Location {place}>\n{recipe}</Location>\n");
    let php = "<FilesMatch \\.php$>\nSetHandler \"proxy:unix:SOCKET|fcgi://localhost\"\n";
    let script = "SetHandler fcgid-script\nOptions +ExecCGI\n".to_owned();
    let cases: &[(String, Mistakes<'_>)] = &[
        (format!("{app}\n"), &[(1, "repeats the path of the mount")]),
        (
            "ProxyPass \"/app\" \"unix:SOCKET|fcgi://a\"\n".to_owned(),
            &[],
        ),
        (format!("{app}\n{}", inside("/app")), &[]),
        (
            format!("{app} timeout=30\n{}", inside("/app")),
            &[(1, "under the server's --timeout")],
        ),
        // A recipe for another place does not help.
        (
            format!("{app}\n{}", inside("/other")),
            &[(1, "repeats the path of the mount")],
        ),
        (
            format!("{app}\nProxyFCGISetEnvIf true PATH_INFO /x\n"),
            &[(1, "for PATH_INFO alone")],
        ),
        (
            format!("{recipe}{app}\nProxyPass /b unix:SOCKET2|fcgi://a/b\n"),
            &[(4, "Apache takes them for one"), (4, "is not there")],
        ),
        (format!("{php}</FilesMatch>\n"), &[(2, "how PHP is asked")]),
        (
            format!("{script}FcgidMaxRequestLen 1000000\nFcgidIOTimeout 65\n"),
            &[],
        ),
        (
            script.replace("ExecCGI", "Indexes"),
            &[
                (1, "no Options +ExecCGI"),
                (1, "no FcgidMaxRequestLen"),
                (1, "FcgidIOTimeout is 40 s"),
            ],
        ),
    ];
    for (text, mistakes) in cases {
        check("apache", &[(text, mistakes)]);
    }
    Ok(())
}

fn mistakes_of_lighttpd_are_found() -> Outcome {
    check(
        "lighttpd",
        &[
            (
                "fastcgi.server = ( \"/app\" =>\n ((\n \"socket\" => \"SOCKET\", \"check-local\" => \"disable\" )))\n",
                &[],
            ),
            (
                "fastcgi.server = ( \"/app\" => ((\n \"socket\" => \"SOCKET\" )))\n",
                &[(1, "check-local")],
            ),
            (
                "fastcgi.server += ( \"/\" => ( \"x\" => (\n \"socket\" => \"SOCKET\",\n \"check-local\" => \"disable\")))\n",
                &[(1, "first segment")],
            ),
            (
                "fastcgi.server = ( \"/\" => ((\n \"socket\" => \"SOCKET\",\n \"check-local\" => \"enable\",\n \"fix-root-scriptname\" => \"enable\")))\n",
                &[(3, "check-local")],
            ),
            (
                "fastcgi.server = ( \".php\" => (( \"socket\" => \"SOCKET\", \"check-local\" => \"disable\")))\n",
                &[(1, "how PHP is asked")],
            ),
            (
                "server.document-root = \"/srv\"\nserver.modules = ( \"mod_rewrite\" )\nfastcgi.server = ( \"/app\" => (( \"socket\" => \"SOCKET\", \"check-local\" => \"disable\")))\n",
                &[(3, "mod_fastcgi")],
            ),
            (
                "$HTTP[\"url\"] =~ \"^/x\" { # ) a comment\n fastcgi.server = ( \"/x\" => (( \"bin-path\" => \"/bin/x\", \"socket\" => \"/no\", \"check-local\" => \"disable\")))\n}",
                &[],
            ),
        ],
    );
    Ok(())
}

fn mistakes_of_caddy_are_found() -> Outcome {
    check(
        "caddy",
        &[
            (
                "x.org {\n reverse_proxy unix/SOCKET {\n  transport fastcgi\n }\n}\n",
                &[],
            ),
            (
                "x.org {\n reverse_proxy unix/SOCKET\n}\n",
                &[(2, "speaks HTTP")],
            ),
            (
                "x.org {\n php_fastcgi unix/SOCKET\n}\n",
                &[(2, "index.php")],
            ),
            (
                "x.org {\n reverse_proxy /app/* unix/SOCKET {\n  transport fastcgi\n }\n}\n",
                &[(2, "no split")],
            ),
            (
                "x.org {\n reverse_proxy /app/* unix/SOCKET {\n  transport fastcgi {\n   split /app\n   read_timeout 10s\n  }\n }\n}\n",
                &[(5, "under the server's --timeout")],
            ),
            (
                "x.org {\n handle_path /app/* {\n  reverse_proxy unix/SOCKET {\n   transport fastcgi\n  }\n }\n}\n",
                &[(3, "handle_path")],
            ),
            (
                "x.org {\n reverse_proxy unix/SOCKET {\n  transport fastcgi {\n   split .php\n  }\n }\n}\n",
                &[(4, "PHP script")],
            ),
        ],
    );
    Ok(())
}

fn mistakes_of_haproxy_are_found() -> Outcome {
    const GOOD: &str = "global\n tune.bufsize 65536\nfcgi-app a\n log-stderr global\n docroot /\n path-info ^()(/.*)$\n";
    let cases: &[(&str, &str, Mistakes<'_>)] = &[
        ("", "", &[]),
        (" log-stderr global\n", "", &[(3, "no log-stderr")]),
        (" path-info ^()(/.*)$\n", "", &[(3, "no path-info")]),
        (" docroot /\n", "", &[(3, "no docroot")]),
        (" tune.bufsize 65536\n", "", &[(8, "tune.bufsize is 16384")]),
        (
            "",
            " timeout server 5000\n",
            &[(10, "under the server's --timeout")],
        ),
        ("", " server t unix@SOCKET\n", &[(10, "no proto fcgi")]),
        (
            "",
            "global\n tune.bufsize 65544\n",
            &[(11, "over what a FastCGI record can hold")],
        ),
        (
            "",
            "fcgi-app b\n option mpxs-conns\n log-stderr global\n docroot /\n path-info ^()(/.*)$\n",
            &[(11, "mpxs-conns")],
        ),
    ];
    for (without, with, mistakes) in cases {
        let good = match without.is_empty() {
            true => GOOD.to_owned(),
            // The line stays, so that the others keep their numbers.
            false => GOOD.replace(without, "# none\n"),
        };
        let server = " server s unix@SOCKET proto fcgi\n";
        let text = format!("{good}backend b\n use-fcgi-app a\n{server}{with}");
        check("haproxy", &[(&text, mistakes)]);
    }
    let text = format!("{GOOD}backend b\n use-fcgi-app a\n server s unix@SOCKET proto fcgi\n");
    for (passed, notes) in [("", 1), (" pass-header Authorization\n", 0)] {
        let text = text.replace(" docroot /\n", &format!(" docroot /\n{passed}"));
        let (lines, _) = found("haproxy", &text, &["--user", "root"]);
        let is_note = |line: &&String| line.contains("3: note: no pass-header authorization");
        assert_eq!(lines.iter().filter(is_note).count(), notes, "{lines:#?}");
    }
    Ok(())
}
