//! What can be served and is hardly meant so.

use std::collections::BTreeSet;
use std::time::Duration;

use super::complaint::Complaint;
use super::document::{Document, Section};
use super::plan::Plan;

/// Times of which the first is of no use when it is longer than the second.
const TIMES: &[(&str, &str)] = &[
    ("head_time", "timeout"),
    ("cpu_time", "timeout"),
    ("slow", "timeout"),
    ("timeout", "max_duration"),
];

/// All of it, each once.
pub(super) fn doubts(plan: &Plan) -> Vec<Complaint> {
    let document = &plan.document;
    let mut doubts = document.doubts.clone();
    for section in document.sections("app") {
        if !is_app_reached(plan, &section.name) {
            let text = "no request leads to it: write `routes`, or a socket with `app` or \
                        `choose_by_param`";
            doubts.push(section.complain("routes", text));
        }
    }
    for section in document.sections("documents") {
        let tenant = section.tenant();
        if !plan
            .sockets
            .values()
            .any(|socket| socket.is_for_tenant(&tenant))
        {
            let text = "no socket serves it: each is for one application or another tenant";
            doubts.push(section.complain("root", text));
        }
    }
    for section in document.sections("tenant") {
        let is_of = |other: &Section| other.tenant() == section.name;
        let mut its = document
            .sections("app")
            .chain(document.sections("documents"));
        if !its.any(is_of) {
            let text = "no application and no document root is this tenant's";
            doubts.push(section.complain("", text));
        }
    }
    let mut told = BTreeSet::new();
    for section in document
        .sections("app")
        .chain(document.sections("documents"))
    {
        let found = times(document, section).chain(shares(document, section));
        // What defaults say is told once.
        doubts.extend(found.filter(|doubt| told.insert(doubt.at_which())));
    }
    doubts
}

fn is_app_reached(plan: &Plan, name: &str) -> bool {
    let Some(app) = plan.apps.get(name) else {
        return true; // it is refused
    };
    plan.sockets.values().any(|socket| {
        let is_found = socket.app.is_some() || socket.choose_by_param || !app.routes.is_empty();
        is_found && socket.is_for(name, app)
    })
}

/// Times that others end before.
fn times(document: &Document, section: &Section) -> impl Iterator<Item = Complaint> {
    TIMES.iter().filter_map(|(key, end)| {
        let of = |key| document.value::<Duration>(section, key);
        let (time, most) = (of(key)?, of(end)?);
        if time <= most || !document.is_written(section, key) {
            return None;
        }
        let text = format!("it is over `{end}`, {most:?}, which ends the request before");
        Some(document.complain(section, key, text))
    })
}

/// What an application may take that its tenant may not.
fn shares(document: &Document, section: &Section) -> impl Iterator<Item = Complaint> {
    let tenant = document.section(&format!("tenant.{}", section.tenant()));
    let of_tenant = move |key: &'static str| {
        let tenant = tenant?;
        let (own, most) = (
            number(document, section, key)?,
            number(document, tenant, key)?,
        );
        let is_over = own > most && section.settings.contains_key(key);
        let text = format!(
            "it is over that of [{}], which is for all of its requests together",
            tenant.path()
        );
        is_over.then(|| section.complain(key, text))
    };
    let keys = [
        "max_concurrent",
        "cpu_share",
        "memory_total",
        "outbound_concurrent",
        "descriptors",
    ];
    let total = [Some(section), tenant]
        .into_iter()
        .flatten()
        .find_map(|whole| {
            let (one, all) = (
                document.value::<u64>(section, "memory")?,
                document.value::<u64>(whole, "memory_total")?,
            );
            let text = format!(
                "it is over `memory_total` of [{}], which is for all of its instances together",
                whole.path()
            );
            (one > all).then(|| document.complain(section, "memory", text))
        });
    keys.into_iter().filter_map(of_tenant).chain(total)
}

/// A value of a budget.
fn number(document: &Document, section: &Section, key: &str) -> Option<f64> {
    let count = || {
        document
            .value::<usize>(section, key)
            .map(|count| count as f64)
    };
    let size = || document.value::<u64>(section, key).map(|size| size as f64);
    let share = || document.value::<f64>(section, key);
    count().or_else(size).or_else(share)
}
