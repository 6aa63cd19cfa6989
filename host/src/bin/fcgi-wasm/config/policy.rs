//! Limits, grants and budgets as they are written, for the library.

use std::path::PathBuf;
use std::time::Duration;

use fcgi_wasm::cgi::HEAD_BYTES_MAX;
use fcgi_wasm::{
    AddressPattern, App, Budget, Folder, Grants, HostPattern, Policy, Secret, SendFileBy,
    SentFolder,
};

use super::complaint::Complaint;
use super::document::{Document, Section};
use super::values::Value;

/// What an application may take and reach.
pub(super) fn policy(document: &Document, section: &Section) -> Policy {
    let time = |key| document.value::<Duration>(section, key);
    let size = |key| document.value::<u64>(section, key);
    let count = |key| document.value::<usize>(section, key);
    let flag = |key| document.value::<bool>(section, key).unwrap_or_default();
    let mut policy = Policy::strict()
        .may_command_web_server(flag("allow_server_commands"))
        .may_authorize(flag("authorizer"))
        .grants(grants(document, section))
        .budget(budget(document, section));
    if let Some(time) = time("timeout") {
        policy = policy.wall_time_max(time);
    }
    if let Some(time) = time("head_time") {
        policy = policy.head_time_max(time);
    }
    if let Some(time) = time("slow") {
        policy = policy.slow_after(time);
    }
    if let Some(time) = time("max_duration") {
        policy = policy.duration_max(time);
    }
    if let Some(time) = time("after_answer") {
        policy = policy.after_answer_max(time);
    }
    if let Some(time) = time("cpu_time") {
        policy = policy.cpu_time_max(time);
    }
    if let Some(bytes) = size("memory") {
        policy = policy.memory_max(bytes);
    }
    if let Some(bytes) = size("max_body") {
        policy = policy.request_body_max(bytes);
    }
    if let Some(bytes) = size("max_head") {
        policy = policy.response_head_max(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
    if let Some(bytes) = size("max_answer") {
        policy = policy.response_body_max(bytes);
    }
    if let Some(requests) = count("outbound") {
        policy = policy.outbound_requests_max(requests);
    }
    if let Some(bytes) = size("log") {
        policy = policy.log_max(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
    if let Some(name) = document.value::<String>(section, "interface") {
        policy = policy.interface(name);
    }
    let folders: Vec<SentFolder> = document.value(section, "send_file").unwrap_or_default();
    for folder in folders {
        policy = policy.send_files(folder);
    }
    if let Some(field) = document.value::<SendFileBy>(section, "send_file_by") {
        policy = policy.send_file_by(field);
    }
    policy
}

/// What the library does not take.
pub(super) fn complaints(document: &Document) -> Vec<Complaint> {
    let named = document.sections.iter().filter_map(|section| {
        let error = App::check_interface(&section.own::<String>("interface")?).err()?;
        Some(section.complain("interface", error.to_string()))
    });
    let most = HEAD_BYTES_MAX as u64;
    let is_over = |section: &&Section| match section.settings.get("max_head") {
        Some(setting) => matches!(setting.value, Value::Size(bytes) if bytes > most),
        None => false,
    };
    let over = document.sections.iter().filter(is_over);
    over.map(|section| {
        let text = "the server sends no longer head: write 64KiB or less";
        section.complain("max_head", text)
    })
    .chain(named)
    .collect()
}

/// What requests may take together.
pub(super) fn budget(document: &Document, section: &Section) -> Budget {
    let time = |key| document.value::<Duration>(section, key);
    let size = |key| document.value::<u64>(section, key);
    let count = |key| document.value::<usize>(section, key);
    let mut budget = Budget::strict();
    if let Some(requests) = count("max_concurrent") {
        budget = budget.requests_max(requests);
    }
    if let Some(requests) = count("queue") {
        budget = budget.queue_max(requests);
    }
    if let Some(time) = time("queue_wait") {
        budget = budget.queue_wait_max(time);
    }
    if let Some(processors) = document.value::<f64>(section, "cpu_share") {
        budget = budget.cpu_share(processors);
    }
    if let Some(time) = time("cpu_burst") {
        budget = budget.cpu_burst(time);
    }
    if let Some(bytes) = size("memory_total") {
        budget = budget.memory_max(bytes);
    }
    if let Some(requests) = count("outbound_concurrent") {
        budget = budget.outbound_requests_max(requests);
    }
    if let Some(descriptors) = document.value::<u64>(section, "descriptors") {
        budget = budget.descriptors_max(descriptors);
    }
    if let (Some(rate), Some(burst)) = (size("log_rate"), size("log_burst")) {
        budget = budget.log_rate(rate, burst);
    }
    budget
}

/// Names and files of one of the two keys of secrets.
pub(super) fn secrets(document: &Document, section: &Section, key: &str) -> Vec<(String, PathBuf)> {
    document.value(section, key).unwrap_or_default()
}

fn grants(document: &Document, section: &Section) -> Grants {
    let flag = document.value(section, "allow_private_hosts");
    let mut grants = Grants::none().private_hosts(flag.unwrap_or_default());
    let folders: Vec<Folder> = document.value(section, "dir").unwrap_or_default();
    for folder in folders {
        grants = grants.folder(folder);
    }
    let pairs = |key| {
        document
            .value::<Vec<(String, String)>>(section, key)
            .unwrap_or_default()
    };
    for (name, value) in pairs("env") {
        grants = grants.variable(name, value);
    }
    for (name, value) in pairs("setting") {
        grants = grants.setting(name, value);
    }
    for (name, file) in secrets(document, section, "secret_env") {
        grants = grants.secret(Secret::variable(name, file));
    }
    for (name, file) in secrets(document, section, "secret_setting") {
        grants = grants.secret(Secret::setting(name, file));
    }
    let hosts: Vec<HostPattern> = document.value(section, "allow_host").unwrap_or_default();
    for pattern in hosts {
        grants = grants.host(pattern);
    }
    let nets: Vec<AddressPattern> = document.value(section, "allow_net").unwrap_or_default();
    for pattern in nets {
        grants = grants.address(pattern);
    }
    grants
}
