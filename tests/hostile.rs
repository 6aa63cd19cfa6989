//! Files and components that are made to cost much before they are ever run:
//! they are refused, in limited time, and nobody else waits for it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use fcgi_wasm::{App, Budget, Compiler, Engine, MIB, Policy, Router, Tenant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::support::Outcome;
use crate::support::guest_build::guest;
use crate::support::local::Local;
use crate::support::two::{NOISY, QUIET, request};
use crate::support::web_server::*;

tests![
    what_is_no_file_is_not_read,
    a_huge_file_is_not_read,
    a_component_with_too_much_in_it_is_not_compiled,
    ten_thousand_functions_are_compiled,
    a_process_of_its_own_compiles_what_is_served,
    compiling_has_an_end,
    compiling_has_a_limit_of_memory,
    a_long_compile_delays_nobody_else,
    a_crash_of_the_compiler_is_a_refusal,
    components_that_wait_leave_stacks_for_others,
    a_result_that_is_none_is_the_guests_fault,
];

fn program() -> Compiler {
    Compiler::new(env!("CARGO_BIN_EXE_fcgi-wasm"), ["compile-for-server"])
}

fn engine(compiler: Option<Compiler>) -> Engine {
    let mut options = Engine::options().instances_max(4);
    if let Some(compiler) = compiler {
        options = options.compiler(compiler);
    }
    options.start().expect("an engine")
}

fn load(engine: &Engine, path: &Path) -> Result<App, String> {
    let runtime = Runtime::new().expect("a runtime");
    let loading = App::load(engine, path, Policy::strict());
    runtime.block_on(loading).map_err(|error| error.to_string())
}

#[track_caller]
fn refusal(engine: &Engine, path: &Path) -> String {
    load(engine, path).err().expect("it is refused")
}

/// A file with this module in it.
fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.wasm");
    let bytes = wat::parse_str(text).expect("WAT");
    std::fs::write(&path, bytes).expect("written");
    (folder, path)
}

/// A module of so many functions that each take some time to compile.
fn bomb(functions: usize) -> (TempDir, PathBuf) {
    let work = "local.get 0 i32.const 7 i32.mul local.set 0 ".repeat(20);
    let function = format!("(func (param i32) {work})");
    file(&format!(
        "(module (func (export \"_start\")) {})",
        function.repeat(functions)
    ))
}

fn what_is_no_file_is_not_read() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo").success());
    let engine = engine(None);
    for path in [folder.path(), &pipe, Path::new("/dev/zero")] {
        let refusal = refusal(&engine, path);
        assert!(refusal.contains("is no file"), "{refusal}");
    }
    Ok(())
}

fn a_huge_file_is_not_read() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("huge.wasm");
    let file = File::create(&path).expect("a file");
    file.set_len(500 * MIB).expect("a length");
    let refusal = refusal(&engine(None), &path);
    assert!(refusal.contains("over 134217728 bytes"), "{refusal}");
    Ok(())
}

fn a_component_with_too_much_in_it_is_not_compiled() -> Outcome {
    let engine = engine(None);
    for (text, complaint) in [
        (
            "(component ".repeat(40) + &")".repeat(40),
            "levels of components",
        ),
        (
            format!("(module {})", "(func)".repeat(200_001)),
            "200001 functions",
        ),
        ("(module (table 10000000 funcref))".to_owned(), "100000"),
        (
            "(module (memory 65536) (data (i32.const 0) \"x\"))".to_owned(),
            "--memory",
        ),
        (
            format!("(module {})", "(import \"a\" \"b\" (func))".repeat(200_001)),
            "imports",
        ),
        (doubled(30), "instances of components and modules"),
    ] {
        let (_folder, path) = file(&text);
        let refusal = refusal(&engine, &path);
        assert!(refusal.contains(complaint), "{refusal}");
    }
    Ok(())
}

/// A component that consists of two, which consist of two, and so on.
fn doubled(levels: usize) -> String {
    let two = |inner: usize| format!("(instance (instantiate $c{inner}))").repeat(2);
    let outer = (1..=levels).map(|level| format!("(component $c{level} {})", two(level - 1)));
    format!(
        "(component (component $c0) {} {})",
        outer.collect::<String>(),
        two(levels)
    )
}

fn ten_thousand_functions_are_compiled() -> Outcome {
    let text = format!(
        "(module (func (export \"_start\")) {})",
        "(func)".repeat(10_000)
    );
    let (_folder, path) = file(&text);
    load(&engine(Some(program())), &path).expect("it is served");
    Ok(())
}

fn a_process_of_its_own_compiles_what_is_served() -> Outcome {
    let engine = engine(Some(program()));
    for name in ["hello", "naughty-http3"] {
        let app = load(&engine, &guest(name)?).expect("an application");
        let local = Local::serve(app);
        assert_eq!(
            local.ask(1, &get(1, "/hello", false)).status(),
            200,
            "{name}"
        );
    }
    let (_folder, path) = file("(component (core module (func (export \"f\"))))");
    let refusal = refusal(&engine, &path);
    assert!(refusal.contains("none of what can be served"), "{refusal}");
    let (_folder, path) = file("(module (func (result i32) nop))");
    let refusal = self::refusal(&engine, &path);
    assert!(refusal.contains("type mismatch"), "{refusal}");
    Ok(())
}

fn compiling_has_an_end() -> Outcome {
    let (_folder, path) = bomb(30_000);
    let engine = engine(Some(program().time_max(Duration::from_secs(1))));
    let refusal = refusal(&engine, &path);
    assert!(refusal.contains("takes longer than 1s"), "{refusal}");
    Ok(())
}

fn compiling_has_a_limit_of_memory() -> Outcome {
    let (_folder, path) = bomb(30_000);
    let engine = engine(Some(program().memory_max(64 * MIB)));
    let refusal = refusal(&engine, &path);
    // Where it finds none: when it compiles, which ends it, or when it reads the file.
    let ends = ["broke off", "out of memory"];
    assert!(ends.iter().any(|end| refusal.contains(end)), "{refusal}");
    Ok(())
}

fn a_long_compile_delays_nobody_else() -> Outcome {
    let (_folder, path) = bomb(30_000);
    let engine = engine(Some(program().time_max(Duration::from_secs(20))));
    let noisy = Tenant::new(&engine, "noisy", Budget::strict());
    let quiet = Tenant::new(&engine, "quiet", Budget::strict());
    let runtime = Runtime::new().expect("a runtime");
    let loading = |tenant: &Tenant, path: PathBuf| {
        let tenant = tenant.clone();
        runtime.spawn(async move { App::load_for(&tenant, "app", path, Policy::strict()).await })
    };
    // More than are compiled at a time.
    let bombs = [0; 5].map(|_| loading(&noisy, path.clone()));
    let app = runtime.block_on(loading(&quiet, guest("hello")?));
    let app = app.expect("no panic").expect("an application");
    assert!(!bombs[4].is_finished());
    let local = Local::serve(app);
    assert_eq!(local.ask(1, &get(1, "/hello", false)).status(), 200);
    // Those that still compile end with their processes' time.
    runtime.shutdown_background();
    Ok(())
}

fn a_crash_of_the_compiler_is_a_refusal() -> Outcome {
    let crash = Compiler::new("/bin/sh", ["-c", "kill -SEGV $$"]);
    let missing = Compiler::new("/nowhere/compiler", ["x"]);
    let silent = Compiler::new("/bin/true", ["x"]);
    for (compiler, complaint) in [
        (crash, "broke off"),
        (missing, "can not be started"),
        (silent, "nothing came of it"),
    ] {
        let refusal = refusal(&engine(Some(compiler)), &guest("hello")?);
        assert!(refusal.contains(complaint), "{refusal}");
    }
    Ok(())
}

/// A program for WASI 0.3 that consists of so many components and one more, each
/// of which waits, so that each needs a stack of its own.
fn waiting(others: usize) -> String {
    let clock = "(import \"wait\" (func $wait async (param \"how-long\" u64)))
        (core func $wait (canon lower (func $wait)))";
    let hour = "(call $wait (i64.const 3600000000000))";
    let each = |text: &dyn Fn(usize) -> String| (0..others).map(text).collect::<String>();
    let made =
        each(&|n| format!("(instance $w{n} (instantiate $waiter (with \"wait\" (func $wait))))"));
    let known = each(&|n| {
        format!(
            "(import \"f{n}\" (func $f{n} async)) (core func $f{n} (canon lower (func $f{n}) async))"
        )
    });
    let imports = each(&|n| format!("(import \"\" \"f{n}\" (func $f{n} (result i32)))"));
    let calls = each(&|n| format!("(drop (call $f{n}))"));
    let lowered = each(&|n| format!("(export \"f{n}\" (func $f{n}))"));
    let given = each(&|n| format!("(with \"f{n}\" (func $w{n} \"run\"))"));
    format!(
        "(component
            (import \"wasi:clocks/monotonic-clock@0.3.0\" (instance $clock
                (export \"wait-for\" (func async (param \"how-long\" u64)))))
            (alias export $clock \"wait-for\" (func $wait))
            (component $waiter {clock}
                (core module $m (import \"\" \"wait\" (func $wait (param i64)))
                    (func (export \"run\") {hour}))
                (core instance $i
                    (instantiate $m (with \"\" (instance (export \"wait\" (func $wait))))))
                (func (export \"run\") async (canon lift (core func $i \"run\"))))
            {made}
            (component $main {clock} {known}
                (core module $m (import \"\" \"wait\" (func $wait (param i64))) {imports}
                    (func (export \"run\") (result i32) {calls} {hour} (i32.const 0)))
                (core instance $i (instantiate $m
                    (with \"\" (instance (export \"wait\" (func $wait)) {lowered}))))
                (func (export \"run\") async (result (result)) (canon lift (core func $i \"run\"))))
            (instance $main (instantiate $main (with \"wait\" (func $wait)) {given}))
            (instance (export \"wasi:cli/run@0.3.0\") (export \"run\" (func $main \"run\"))))"
    )
}

fn components_that_wait_leave_stacks_for_others() -> Outcome {
    let engine = Engine::options()
        .instances_max(2)
        .start()
        .expect("an engine");
    let (_folder, path) = file(&waiting(60));
    let refusal = refusal(&engine, &path);
    assert!(refusal.contains("61 components that may wait"), "{refusal}");
    let (_folder, path) = file(&waiting(7));
    let noisy = load(&engine, &path).expect("it is served");
    let quiet = load(&engine, &guest("naughty-http3")?).expect("it is served");
    let local = Local::serve(Router::new().route(NOISY, noisy).route(QUIET, quiet));
    let mut waiting = local.connect();
    waiting.send(&request(NOISY, "/"));
    for _ in 0..10 {
        assert_eq!(local.ask(1, &request(QUIET, "/hello")).text(), "hello\n");
    }
    // It has all that it needs: the next record is not its failure.
    waiting.send(&record(GET_VALUES, 0, &[]));
    let next = waiting.read_record().expect("values");
    assert_eq!(next.kind, GET_VALUES_RESULT);
    Ok(())
}

/// Its reason is no UTF-8.
const BABBLER: &str = r#"
    (component
        (core module $app
            (memory (export "memory") 1)
            (func (export "handle") (result i32)
                (i32.store8 (i32.const 0) (i32.const 1))
                (i32.store (i32.const 4) (i32.const 16))
                (i32.store (i32.const 8) (i32.const 1))
                (i32.store8 (i32.const 16) (i32.const 255))
                (i32.const 0)))
        (core instance $app (instantiate $app))
        (func $handle (result (result (error string)))
            (canon lift (core func $app "handle") (memory (core memory $app "memory"))))
        (instance (export "fcgi-wasm:app/handler@0.1.0")
            (export "handle" (func $handle))))"#;

fn a_result_that_is_none_is_the_guests_fault() -> Outcome {
    let (_folder, path) = file(BABBLER);
    let app = load(&engine(None), &path).expect("an application");
    let answer = Local::serve(app).ask(1, &get(1, "/", false));
    assert_eq!(answer.status(), 502, "{answer:?}");
    let log = answer.log();
    assert!(log.contains("crashed: invalid utf-8"), "{log}");
    Ok(())
}
