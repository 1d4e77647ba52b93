//! Dependencies between the crates point down only, and some libraries have one home.

use crate::workspace::{Kind, Package};

/// The product's crates from the bottom up. A crate may depend on crates of lower layers, never on its own layer or above.
const LAYERS: &[&[&str]] = &[
    &["vestibule-wire"],
    &["vestibule-policy", "vestibule-crypto"],
    &["vestibule-engine"],
    &["vestibule-http", "vestibule-delivery", "vestibule-store"],
    &["vestibule"],
];

/// Outside the product: these may depend on anything, and the product on them in its tests only.
const OUTSIDE: &[&str] =
    &["vestibule-testkit", "vestibule-cluster", "vestibule-history", "vestibule-bench", "xtask"];

/// Libraries that only one crate of the product names (tests aside), and why.
const HOMES: &[(&str, &str, &str)] = &[
    ("aws-lc-rs", "vestibule-crypto", "cryptography is reviewed in one place"),
    ("rusqlite", "vestibule-store", "only the store speaks SQL"),
    ("tokio-postgres", "vestibule-store", "only the store speaks SQL"),
];

/// Every declared dependency that breaks the rules, as a sentence. Dev-dependencies are free: they do not ship.
pub fn violations(members: &[Package]) -> Vec<String> {
    let is_member = |name: &str| members.iter().any(|package| package.name == name);
    let mut found = Vec::new();
    for package in members {
        let from = package.name.as_str();
        if OUTSIDE.contains(&from) {
            continue;
        }
        let Some(layer) = layer_of(from) else {
            found.push(format!("{from} has no layer: give it one in xtask/src/arrows.rs"));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|dependency| dependency.kind != Some(Kind::Dev))
        {
            let to = dependency.name.as_str();
            if is_member(to) {
                match layer_of(to) {
                    Some(lower) if lower < layer => {}
                    Some(_) => found.push(format!("{from} -> {to} does not point down")),
                    None if OUTSIDE.contains(&to) => {
                        found.push(format!(
                            "{from} -> {to} leads out of the product: only tests may depend on it"
                        ));
                    }
                    // Reported once, at the member that has no layer.
                    None => {}
                }
            }
            for (library, home, reason) in HOMES {
                if to == *library && from != *home {
                    found.push(format!("{from} -> {library}: only {home} may name it, since {reason}"));
                }
            }
        }
    }
    found
}

fn layer_of(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A dependency's name and the kind `cargo metadata` prints for it.
    type Declared<'a> = (&'a str, Option<&'a str>);

    fn packages(declared: &[(&str, &[Declared<'_>])]) -> Vec<Package> {
        let json: Vec<_> = declared
            .iter()
            .map(|(name, dependencies)| {
                let dependencies: Vec<_> = dependencies
                    .iter()
                    .map(|(name, kind)| serde_json::json!({ "name": name, "kind": kind, "req": "*" }))
                    .collect();
                serde_json::json!({ "name": name, "dependencies": dependencies })
            })
            .collect();
        serde_json::from_value(json.into()).unwrap()
    }

    #[test]
    fn the_designed_arrows_are_allowed() {
        let members = packages(&[
            ("vestibule-wire", &[("serde", None)]),
            ("vestibule-crypto", &[("vestibule-wire", None), ("aws-lc-rs", None)]),
            ("vestibule-policy", &[("vestibule-wire", None)]),
            (
                "vestibule-engine",
                &[("vestibule-crypto", None), ("vestibule-policy", None), ("vestibule-wire", None)],
            ),
            ("vestibule-store", &[("vestibule-engine", None), ("rusqlite", None)]),
            ("vestibule-http", &[("vestibule-engine", None), ("vestibule-wire", None)]),
            ("vestibule-delivery", &[("vestibule-engine", None)]),
            (
                "vestibule",
                &[("vestibule-http", None), ("vestibule-store", None), ("vestibule-delivery", None)],
            ),
        ]);
        assert_eq!(violations(&members), Vec::<String>::new());
    }

    #[test]
    fn an_arrow_that_runs_up_is_found() {
        let members =
            packages(&[("vestibule-wire", &[("vestibule-engine", None)]), ("vestibule-engine", &[])]);
        assert_eq!(violations(&members), ["vestibule-wire -> vestibule-engine does not point down"]);
    }

    #[test]
    fn an_arrow_within_a_layer_is_found() {
        let members = packages(&[("vestibule-http", &[("vestibule-store", None)]), ("vestibule-store", &[])]);
        assert_eq!(violations(&members), ["vestibule-http -> vestibule-store does not point down"]);
    }

    #[test]
    fn a_build_dependency_that_runs_up_is_found() {
        let members = packages(&[("vestibule-wire", &[("vestibule", Some("build"))]), ("vestibule", &[])]);
        assert_eq!(violations(&members), ["vestibule-wire -> vestibule does not point down"]);
    }

    #[test]
    fn the_product_leans_on_the_testkit_in_tests_only() {
        let in_tests = packages(&[
            ("vestibule-http", &[("vestibule-testkit", Some("dev"))]),
            ("vestibule-testkit", &[]),
        ]);
        assert_eq!(violations(&in_tests), Vec::<String>::new());
        let shipped =
            packages(&[("vestibule-http", &[("vestibule-testkit", None)]), ("vestibule-testkit", &[])]);
        assert_eq!(violations(&shipped).len(), 1);
    }

    #[test]
    fn what_is_outside_the_product_may_depend_on_anything() {
        let members = packages(&[
            ("vestibule-bench", &[("vestibule", None), ("aws-lc-rs", None)]),
            ("xtask", &[("vestibule-store", None)]),
            ("vestibule", &[]),
            ("vestibule-store", &[]),
        ]);
        assert_eq!(violations(&members), Vec::<String>::new());
    }

    #[test]
    fn a_crate_without_a_layer_is_found() {
        let members = packages(&[("vestibule-extra", &[("vestibule-wire", None)]), ("vestibule-wire", &[])]);
        assert_eq!(violations(&members).len(), 1);
        assert!(violations(&members)[0].starts_with("vestibule-extra has no layer"));
    }

    #[test]
    fn a_library_away_from_home_is_found_unless_only_tests_name_it() {
        let shipped = packages(&[("vestibule-engine", &[("aws-lc-rs", None)])]);
        assert_eq!(violations(&shipped).len(), 1);
        let in_tests = packages(&[("vestibule-engine", &[("aws-lc-rs", Some("dev"))])]);
        assert_eq!(violations(&in_tests), Vec::<String>::new());
    }
}
