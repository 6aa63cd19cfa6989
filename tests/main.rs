//! The end-to-end tests, as one program.
//!
//! It has a harness of its own because libtest can not say at run time that a
//! test was skipped: here a test whose server or toolchain is missing is
//! reported as ignored, with the reason, or fails where
//! `FCGI_WASM_TESTS_REQUIRE_ALL` is set, as in CI.
//!
//! A test named `conformance_NN_…` shows item NN of the list of what a FastCGI
//! server must do; those of pure code stand beside that code.

#[macro_use]
mod support;

// What the source tree itself has to look like.
mod conformance;
mod layout;

// The protocol, spoken by hand with a handler that is a closure.
mod captures;
mod connections;
mod framing;
mod management;
mod multiplex;
mod recorded;
mod responses;
mod robustness;
mod streaming;

// The program, with real guests and real web servers.
mod auth_request;
mod authorizer_faults;
mod authorizer_servers;
mod authorizers;
mod bombs;
mod cache;
mod cgi;
mod cgi_fcgi;
mod commands;
mod conf;
mod conf_check;
mod conf_check_places;
mod conf_units;
mod config_check;
mod doctor;
mod documents;
mod examples;
mod file_work;
mod filters;
mod freshness;
mod grants;
mod guests;
mod holdings;
mod hostile;
mod hosting;
mod hosting_logs;
mod hosting_places;
mod hosting_reload;
mod limits;
mod listings;
mod log_places;
mod logging;
mod managers;
mod mapping;
mod new;
mod nginx;
mod nginx_faults;
mod observing;
mod pauses;
mod places;
mod reload;
mod reload_results;
mod request_roles;
mod servers;
mod startup;
mod status;
mod tenants;
mod troubleshooting;
mod units;
mod unloading;

// Applications in other languages.
mod c_and_zig;
mod go;
mod javascript;
mod python;
mod ruby;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let tests = [
        conformance::tests(),
        layout::tests(),
        captures::tests(),
        connections::tests(),
        framing::tests(),
        management::tests(),
        multiplex::tests(),
        recorded::tests(),
        responses::tests(),
        robustness::tests(),
        streaming::tests(),
        auth_request::tests(),
        authorizer_faults::tests(),
        authorizer_servers::tests(),
        authorizers::tests(),
        bombs::tests(),
        cache::tests(),
        cgi_fcgi::tests(),
        cgi::tests(),
        commands::tests(),
        conf::tests(),
        conf_check::tests(),
        conf_check_places::tests(),
        conf_units::tests(),
        config_check::tests(),
        doctor::tests(),
        documents::tests(),
        examples::tests(),
        file_work::tests(),
        filters::tests(),
        freshness::tests(),
        grants::tests(),
        guests::tests(),
        holdings::tests(),
        hosting::tests(),
        hosting_logs::tests(),
        hosting_places::tests(),
        hosting_reload::tests(),
        limits::tests(),
        listings::tests(),
        log_places::tests(),
        logging::tests(),
        managers::tests(),
        mapping::tests(),
        new::tests(),
        nginx::tests(),
        nginx_faults::tests(),
        hostile::tests(),
        observing::tests(),
        pauses::tests(),
        places::tests(),
        reload_results::tests(),
        request_roles::tests(),
        reload::tests(),
        servers::tests(),
        startup::tests(),
        status::tests(),
        units::tests(),
        unloading::tests(),
        tenants::tests(),
        troubleshooting::tests(),
        c_and_zig::tests(),
        go::tests(),
        javascript::tests(),
        python::tests(),
        ruby::tests(),
    ];
    libtest_mimic::run(
        &Arguments::from_args(),
        tests.into_iter().flatten().collect(),
    )
    .exit_code()
}
