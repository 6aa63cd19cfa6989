//! How many stacks an instance of a component may need at a time, looked at
//! before it is compiled.
//!
//! A WASI 0.3 guest may consist of components that call each other and wait.
//! Each of them has a stack of its own while it waits. All instances take
//! theirs from one pool, so what one may take has to be known.

use wasmparser::{
    CanonicalFunction, ComponentAlias, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, ComponentTypeRef, Encoding, Parser, Payload,
};

/// How many components with functions for others an instance may consist of. An
/// application has one, and each middleware that it was composed with.
const WAITING_MAX: u32 = 8;

/// How many stacks an instance may have at a time: one for each of those, one for
/// what runs meanwhile, and one that is kept for the next.
pub(super) const STACKS_MAX: u32 = WAITING_MAX + 2;

/// What is said of a component that is handed to another one, which then makes
/// instances of it: that could be any.
const UNKNOWN: u64 = u64::MAX;

/// Whether an instance needs no more stacks than it may have. What can not be
/// read is left to the compiler.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let waiting = waiting_in(bytes).unwrap_or_default();
    if waiting <= u64::from(WAITING_MAX) {
        return Ok(());
    }
    let waiting = match waiting {
        UNKNOWN => "any number".to_owned(),
        known => known.to_string(),
    };
    Err(format!(
        "it consists of {waiting} of components that may wait for each other, and at most \
         {WAITING_MAX} are taken"
    ))
}

/// One component as far as it was read.
#[derive(Debug, Default)]
struct Scope {
    /// A module has none of these.
    is_component: bool,
    /// What an instance of each component that it knows consists of, by the
    /// component's index in it.
    components: Vec<u64>,
    instances: u64,
    has_functions: bool,
}

/// How many instances of components with functions there are in one instance
/// of the whole; `None` for what is no component.
fn waiting_in(bytes: &[u8]) -> Option<u64> {
    let mut scopes: Vec<Scope> = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.ok()? {
            Payload::Version { encoding, .. } => scopes.push(Scope {
                is_component: encoding == Encoding::Component,
                ..Scope::default()
            }),
            Payload::End(_) => {
                let ended = scopes.pop()?;
                let waiting = ended.instances.saturating_add(ended.has_functions.into());
                match scopes.last_mut() {
                    Some(outer) if ended.is_component => outer.components.push(waiting),
                    Some(_) => {}
                    None => return Some(waiting),
                }
            }
            payload => read(&payload, &mut scopes)?,
        }
    }
    None
}

fn read(payload: &Payload<'_>, scopes: &mut [Scope]) -> Option<()> {
    let (scope, outer) = scopes.split_last_mut()?;
    match payload {
        Payload::ComponentCanonicalSection(section) => {
            for function in section.clone() {
                scope.has_functions |= matches!(function.ok()?, CanonicalFunction::Lift { .. });
            }
        }
        Payload::ComponentInstanceSection(section) => {
            for instance in section.clone() {
                if let ComponentInstance::Instantiate {
                    component_index, ..
                } = instance.ok()?
                {
                    let more = scope.components.get(component_index as usize)?;
                    scope.instances = scope.instances.saturating_add(*more);
                }
            }
        }
        Payload::ComponentImportSection(section) => {
            for import in section.clone() {
                if let ComponentTypeRef::Component(_) = import.ok()?.ty {
                    scope.components.push(UNKNOWN);
                }
            }
        }
        Payload::ComponentExportSection(section) => {
            for export in section.clone() {
                let export = export.ok()?;
                if export.kind == ComponentExternalKind::Component {
                    let same = *scope.components.get(export.index as usize)?;
                    scope.components.push(same);
                }
            }
        }
        Payload::ComponentAliasSection(section) => {
            for alias in section.clone() {
                match alias.ok()? {
                    ComponentAlias::InstanceExport {
                        kind: ComponentExternalKind::Component,
                        ..
                    } => scope.components.push(UNKNOWN),
                    ComponentAlias::Outer {
                        kind: ComponentOuterAliasKind::Component,
                        count,
                        index,
                    } => {
                        let same = match (count as usize).checked_sub(1) {
                            None => scope.components.get(index as usize),
                            Some(up) => {
                                let known = outer.iter().rev().nth(up);
                                known.and_then(|known| known.components.get(index as usize))
                            }
                        };
                        let same = *same?;
                        scope.components.push(same);
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(text: &str) -> Option<u64> {
        waiting_in(&wat::parse_str(text).expect("WAT"))
    }

    /// A component with one function.
    const ONE: &str = "(component $one
        (core module $m (func (export \"f\")))
        (core instance $i (instantiate $m))
        (func (export \"f\") (canon lift (core func $i \"f\"))))";
    const MAKE: &str = "(instance (instantiate $one))";

    #[test]
    fn instances_with_functions_are_counted() {
        for (text, expected) in [
            ("(module (func))".to_owned(), 0),
            ("(component (component (core module)))".to_owned(), 0),
            (ONE.replace("$one", ""), 1),
            (format!("(component {ONE} {MAKE} {MAKE})"), 2),
            (
                format!(
                    "(component (core module) {ONE}
                        (component $two {MAKE} {MAKE})
                        (instance (instantiate $two)) (instance (instantiate $two)))"
                ),
                4,
            ),
            (
                format!(
                    "(component {ONE} (export \"a\" (component $one)) (instance (instantiate 1)))"
                ),
                1,
            ),
        ] {
            assert_eq!(waiting(&text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_handed_over_could_be_anything() {
        let handed = "(component (import \"a\" (component $one)) (instance (instantiate $one)))";
        assert_eq!(waiting(handed), Some(UNKNOWN));
        let inside = "(component
            (import \"a\" (instance $a (export \"b\" (component))))
            (alias export $a \"b\" (component $one))
            (instance (instantiate $one)) (instance (instantiate $one)))";
        assert_eq!(waiting(inside), Some(UNKNOWN));
    }

    #[test]
    fn a_power_of_two_is_no_overflow() {
        let mut text = ONE.to_owned();
        for level in 0..70 {
            let inner = if level == 0 {
                "one".to_owned()
            } else {
                format!("c{}", level - 1)
            };
            let make = format!("(instance (instantiate ${inner}))");
            text.push_str(&format!("(component $c{level} {make} {make})"));
        }
        let text = format!("(component {text} (instance (instantiate $c69)))");
        assert_eq!(waiting(&text), Some(UNKNOWN));
        let refusal = check(&wat::parse_str(&text).expect("WAT"));
        assert!(refusal.expect_err("too many").contains("at most 8"));
    }
}
