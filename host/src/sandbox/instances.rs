//! What an instance of a component consists of, looked at before anything is
//! compiled.
//!
//! A component makes instances of others, which make some of others: twice of
//! twice of twice is a number that a small file has room for, and a compiler
//! takes one after the other. Besides, a WASI 0.3 guest may consist of components
//! that call each other and wait. Each of them has a stack of its own while it
//! waits. All instances take theirs from one pool, so what one may take has to be
//! known.

use wasmparser::{
    CanonicalFunction, ComponentAlias, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, ComponentTypeRef, Encoding, Instance, Parser, Payload,
};

/// How many components with functions for others an instance may consist of. An
/// application has one, and each middleware that it was composed with.
const WAITING_MAX: u32 = 8;

/// How many stacks an instance may have at a time: one for each of those, one for
/// what runs meanwhile, and one that is kept for the next.
pub(super) const STACKS_MAX: u32 = WAITING_MAX + 2;

/// How many instances of components and of modules an instance may consist of.
/// CPython's has 20. That few of them may be modules' is checked when it is
/// compiled.
const PARTS_MAX: u64 = 1000;

/// How many globals and imports the modules may have that an instance consists of, each
/// as often as there is an instance of its module: they are written one by one when an
/// instance is made, which nothing interrupts, and take 16 to 32 bytes each, which are on
/// nobody's account. CPython's has 3,100.
const VARIABLES_MAX: u64 = 50_000;

/// How many instances one consists of, modules' included; how many of them are of
/// components with functions; and how many globals and imports they have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Parts {
    all: u64,
    waiting: u64,
    variables: u64,
}

impl Parts {
    /// Those of a component that is handed to another one, which then makes
    /// instances of it: that could be any.
    const UNKNOWN: Self = Self {
        all: u64::MAX,
        waiting: u64::MAX,
        variables: u64::MAX,
    };

    fn and(self, other: Self) -> Self {
        Self {
            all: self.all.saturating_add(other.all),
            waiting: self.waiting.saturating_add(other.waiting),
            variables: self.variables.saturating_add(other.variables),
        }
    }
}

/// Whether an instance consists of no more than it may. What can not be read is
/// left to the compiler.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let found = parts_of(bytes).unwrap_or_default();
    refuse(found.all, PARTS_MAX, "instances of components and modules")?;
    let what = "globals and imports, counted for each instance of a module";
    refuse(found.variables, VARIABLES_MAX, what)
}

/// Whether an instance needs no more stacks than it may have.
pub(super) fn check_stacks(bytes: &[u8]) -> Result<(), String> {
    let found = parts_of(bytes).unwrap_or_default().waiting;
    let what = "components that may wait for each other";
    refuse(found, WAITING_MAX.into(), what)
}

fn refuse(found: u64, most: u64, what: &str) -> Result<(), String> {
    match found {
        u64::MAX => Err(format!(
            "it consists of any number of {what}, and at most {most} are taken"
        )),
        found if found > most => Err(format!(
            "it consists of {found} {what}, and at most {most} are taken"
        )),
        _ => Ok(()),
    }
}

/// One component as far as it was read.
#[derive(Debug, Default)]
struct Scope {
    /// A module has none of these.
    is_component: bool,
    /// What an instance of each component that it knows consists of, by the
    /// component's index in it.
    components: Vec<Parts>,
    /// The same of modules: their globals and imports.
    modules: Vec<u64>,
    /// A module's own.
    variables: u64,
    parts: Parts,
    has_functions: bool,
}

/// What one instance of the whole consists of; `None` for what can not be read.
fn parts_of(bytes: &[u8]) -> Option<Parts> {
    let mut scopes: Vec<Scope> = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.ok()? {
            Payload::Version { encoding, .. } => scopes.push(Scope {
                is_component: encoding == Encoding::Component,
                ..Scope::default()
            }),
            Payload::End(_) => {
                let ended = scopes.pop()?;
                let own = Parts {
                    all: 1,
                    waiting: ended.has_functions.into(),
                    variables: ended.variables,
                };
                let parts = ended.parts.and(own);
                match scopes.last_mut() {
                    Some(outer) if ended.is_component => outer.components.push(parts),
                    Some(outer) => outer.modules.push(ended.variables),
                    None => return Some(parts),
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
        Payload::GlobalSection(section) => scope.variables += u64::from(section.count()),
        Payload::ImportSection(section) => scope.variables += u64::from(section.count()),
        Payload::ComponentCanonicalSection(section) => {
            for function in section.clone() {
                scope.has_functions |= matches!(function.ok()?, CanonicalFunction::Lift { .. });
            }
        }
        Payload::InstanceSection(section) => {
            for instance in section.clone() {
                if let Instance::Instantiate { module_index, .. } = instance.ok()? {
                    let variables = *scope.modules.get(module_index as usize)?;
                    let made = Parts {
                        all: 1,
                        waiting: 0,
                        variables,
                    };
                    scope.parts = scope.parts.and(made);
                }
            }
        }
        Payload::ComponentInstanceSection(section) => {
            for instance in section.clone() {
                if let ComponentInstance::Instantiate {
                    component_index, ..
                } = instance.ok()?
                {
                    let more = *scope.components.get(component_index as usize)?;
                    scope.parts = scope.parts.and(more);
                }
            }
        }
        Payload::ComponentImportSection(section) => {
            for import in section.clone() {
                match import.ok()?.ty {
                    ComponentTypeRef::Component(_) => scope.components.push(Parts::UNKNOWN),
                    ComponentTypeRef::Module(_) => scope.modules.push(u64::MAX),
                    _ => {}
                }
            }
        }
        Payload::ComponentExportSection(section) => {
            for export in section.clone() {
                let export = export.ok()?;
                let index = export.index as usize;
                match export.kind {
                    ComponentExternalKind::Component => {
                        scope.components.push(*scope.components.get(index)?);
                    }
                    ComponentExternalKind::Module => {
                        scope.modules.push(*scope.modules.get(index)?);
                    }
                    _ => {}
                }
            }
        }
        Payload::ComponentAliasSection(section) => {
            for alias in section.clone() {
                match alias.ok()? {
                    ComponentAlias::InstanceExport {
                        kind: ComponentExternalKind::Component,
                        ..
                    } => scope.components.push(Parts::UNKNOWN),
                    ComponentAlias::InstanceExport {
                        kind: ComponentExternalKind::Module,
                        ..
                    } => scope.modules.push(u64::MAX),
                    ComponentAlias::Outer { kind, count, index } => {
                        let index = index as usize;
                        let known = match (count as usize).checked_sub(1) {
                            None => &*scope,
                            Some(up) => outer.iter().rev().nth(up)?,
                        };
                        match kind {
                            ComponentOuterAliasKind::Component => {
                                let same = *known.components.get(index)?;
                                scope.components.push(same);
                            }
                            ComponentOuterAliasKind::CoreModule => {
                                let same = *known.modules.get(index)?;
                                scope.modules.push(same);
                            }
                            _ => {}
                        }
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

    const UNKNOWN: (u64, u64) = (u64::MAX, u64::MAX);

    fn parts(text: &str) -> Option<(u64, u64)> {
        let parts = parts_of(&wat::parse_str(text).expect("WAT"))?;
        Some((parts.all, parts.waiting))
    }

    /// A component with one function.
    const ONE: &str = "(component $one
        (core module $m (func (export \"f\")))
        (core instance $i (instantiate $m))
        (func (export \"f\") (canon lift (core func $i \"f\"))))";
    const MAKE: &str = "(instance (instantiate $one))";

    #[test]
    fn instances_are_counted() {
        for (text, expected) in [
            ("(module (func))".to_owned(), (1, 0)),
            ("(component (component (core module)))".to_owned(), (1, 0)),
            (ONE.replace("$one", ""), (2, 1)),
            (format!("(component {ONE} {MAKE} {MAKE})"), (5, 2)),
            (
                format!(
                    "(component (core module) {ONE}
                        (component $two {MAKE} {MAKE})
                        (instance (instantiate $two)) (instance (instantiate $two)))"
                ),
                (11, 4),
            ),
            (
                format!(
                    "(component {ONE} (export \"a\" (component $one)) (instance (instantiate 1)))"
                ),
                (3, 1),
            ),
        ] {
            assert_eq!(parts(&text), Some(expected), "{text}");
        }
    }

    #[test]
    fn globals_count_for_each_instance_of_their_module() {
        let text = |globals: usize, instances: usize| {
            let globals = "(global i32 (i32.const 0))".repeat(globals);
            let make = "(core instance (instantiate $m))".repeat(instances);
            format!(
                "(component (core module $m {globals}) (core module $other (global i32 (i32.const 0)))
                    (component (alias outer 1 0 (core module $m)) {make}) (instance (instantiate 0)))"
            )
        };
        let bytes = |globals, instances| wat::parse_str(text(globals, instances)).expect("WAT");
        assert_eq!(check(&bytes(100, 500)), Ok(()));
        let refusal = check(&bytes(101, 500)).expect_err("too many");
        assert!(refusal.contains("50500 globals and imports"), "{refusal}");
    }

    #[test]
    fn what_is_handed_over_could_be_anything() {
        let handed = "(component (import \"a\" (component $one)) (instance (instantiate $one)))";
        assert_eq!(parts(handed), Some(UNKNOWN));
        let inside = "(component
            (import \"a\" (instance $a (export \"b\" (component))))
            (alias export $a \"b\" (component $one))
            (instance (instantiate $one)) (instance (instantiate $one)))";
        assert_eq!(parts(inside), Some(UNKNOWN));
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
        assert_eq!(parts(&text), Some(UNKNOWN));
        let bytes = wat::parse_str(&text).expect("WAT");
        let refusal = check(&bytes).expect_err("too many");
        assert!(refusal.contains("at most 1000"), "{refusal}");
        let refusal = check_stacks(&bytes).expect_err("too many");
        assert!(refusal.contains("at most 8"), "{refusal}");
    }
}
