//! The description that is generated, held against the published one: every path, version, member and value of the
//! published API is in ours. Where they differ, `testdata/openapi/differences.toml` says why, and has nothing stale.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value};
use vestibule_wire::openapi;

#[derive(Deserialize)]
struct Differences {
    because: Vec<Because>,
}

#[derive(Deserialize)]
struct Because {
    reason: String,
    differences: Vec<String>,
}

struct Comparison<'a> {
    theirs: &'a Value,
    ours: &'a Value,
    compared: BTreeSet<(String, String)>,
    found: BTreeSet<String>,
}

impl Comparison<'_> {
    fn note(&mut self, place: &str, what: impl std::fmt::Display) {
        self.found.insert(format!("{place}: {what}"));
    }

    fn operations(&mut self) {
        let (theirs, ours) = (self.theirs, self.ours);
        for (path, item) in object(&theirs["paths"]) {
            let Some((method, operation)) = object(item).next() else { continue };
            let own = &ours["paths"][path][method];
            if own.is_null() {
                self.note(path, "missing");
                continue;
            }
            let body = &own["requestBody"]["content"]["application/json"]["schema"];
            let answer = &own["responses"]["200"]["content"]["application/json"]["schema"];
            match operation["x-versions"].as_array() {
                Some(versions) => self.versions(path, versions, body, answer),
                None => {
                    let parameters = operation["parameters"].as_array().into_iter().flatten();
                    for parameter in parameters.filter(|parameter| parameter["in"] == "body") {
                        self.schemas(path, &parameter["schema"], body);
                    }
                    self.schemas(path, &operation["responses"]["200"]["schema"], answer);
                }
            }
        }
        for (path, _) in object(&ours["paths"]) {
            if theirs["paths"][path].is_null() {
                self.note(path, "added");
            }
        }
    }

    fn versions(&mut self, path: &str, versions: &[Value], body: &Value, answer: &Value) {
        let bodies: Vec<&Value> =
            body["oneOf"].as_array().map_or(vec![body], |bodies| bodies.iter().collect());
        assert_eq!(bodies.len(), versions.len(), "{path}");
        for version in versions {
            let name = version["type"].as_str().expect("a type");
            let Some(own) = bodies.iter().find(|body| body["properties"]["type"]["enum"][0] == name) else {
                self.note(name, "missing");
                continue;
            };
            let intent = serde_json::json!({ "$ref": version["intent"] });
            self.schemas(name, &intent, &own["properties"]["parameters"]);
            // Votes are answered with any activity.
            let Some(result_key) = version["resultKey"].as_str() else { continue };
            let activity = &answer["properties"]["activity"]["allOf"][1]["properties"];
            let intent_key = version["intentKey"].as_str().expect("a key");
            self.schemas(name, &intent, &activity["intent"]["properties"][intent_key]);
            let result = serde_json::json!({ "$ref": version["result"] });
            self.schemas(name, &result, &activity["result"]["properties"][result_key]);
        }
    }

    /// Compares what two schemas say, references followed.
    fn schemas(&mut self, place: &str, theirs: &Value, ours: &Value) {
        let place = match referred(theirs) {
            Some(name) => {
                if !self.compared.insert((name.to_owned(), ours.to_string())) {
                    return;
                }
                name
            }
            None => place,
        };
        let (theirs, ours) = (resolve(self.theirs, theirs), resolve(self.ours, ours));
        if ours.is_null() {
            return self.note(place, "missing");
        }
        let kind = |schema: &Value| match &schema["type"] {
            Value::String(kind) => kind.clone(),
            _ if schema["enum"].is_array() => "string".to_owned(),
            other => other.to_string(),
        };
        if kind(&theirs) != kind(&ours) {
            return self.note(place, format!("{} instead of {}", kind(&ours), kind(&theirs)));
        }
        self.values(place, &theirs["enum"], &ours["enum"]);
        if theirs["items"].is_object() {
            self.schemas(&format!("{place}[]"), &theirs["items"], &ours["items"]);
        }
        if theirs["additionalProperties"].is_object() {
            self.schemas(
                &format!("{place}{{}}"),
                &theirs["additionalProperties"],
                &ours["additionalProperties"],
            );
        }
        self.members(place, &theirs, &ours);
    }

    fn values(&mut self, place: &str, theirs: &Value, ours: &Value) {
        let (theirs, ours) = (texts(theirs), texts(ours));
        if ours.is_empty() && !theirs.is_empty() {
            return self.note(place, "any value");
        }
        for missing in theirs.difference(&ours) {
            self.note(place, format!("{missing} missing"));
        }
        if !theirs.is_empty() {
            for added in ours.difference(&theirs) {
                self.note(place, format!("{added} added"));
            }
        }
    }

    fn members(&mut self, place: &str, theirs: &Value, ours: &Value) {
        let (required, own_required) = (texts(&theirs["required"]), texts(&ours["required"]));
        for (name, schema) in object(&theirs["properties"]) {
            let member = format!("{place}.{name}");
            let own = &ours["properties"][name];
            if own.is_null() {
                self.note(&member, "missing");
                continue;
            }
            match (required.contains(name), own_required.contains(name)) {
                (true, false) => self.note(&member, "optional"),
                (false, true) => self.note(&member, "required"),
                _ => {}
            }
            self.schemas(&member, schema, own);
        }
        for (name, _) in object(&ours["properties"]) {
            if theirs["properties"][name].is_null() {
                self.note(&format!("{place}.{name}"), "added");
            }
        }
    }
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn texts(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn referred(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit_once('/').map(|(_, name)| name)
}

/// Follows references and takes the parts of a schema together.
fn resolve(document: &Value, schema: &Value) -> Value {
    if let Some(path) = schema["$ref"].as_str() {
        let target = document.pointer(path.trim_start_matches('#')).unwrap_or(&Value::Null);
        return resolve(document, target);
    }
    // Null beside a schema: the member may be null.
    if let Some(choices) = schema["anyOf"].as_array()
        && let Some(only) = choices.iter().find(|choice| choice["$ref"].is_string())
    {
        return resolve(document, only);
    }
    // An enum whose values are described one by one.
    if let Some(choices) = schema["oneOf"].as_array()
        && choices.iter().all(|choice| choice["const"].is_string())
    {
        let values: Vec<&Value> = choices.iter().map(|choice| &choice["const"]).collect();
        return serde_json::json!({ "type": "string", "enum": values });
    }
    schema.clone()
}

fn compare(theirs: &str, ours: &Value) -> BTreeSet<String> {
    let theirs: Value = serde_json::from_str(theirs).expect("JSON");
    let mut comparison =
        Comparison { theirs: &theirs, ours, compared: BTreeSet::new(), found: BTreeSet::new() };
    comparison.operations();
    assert!(comparison.compared.len() > 10, "{} schemas compared", comparison.compared.len());
    comparison.found
}

#[test]
fn what_differs_from_the_published_description_is_listed_with_its_reason() {
    let listed: Differences =
        toml::from_str(include_str!("../../../testdata/openapi/differences.toml")).expect("TOML");
    let mut found = compare(include_str!("../../../testdata/openapi/public.json"), &openapi::public());
    found.extend(compare(include_str!("../../../testdata/openapi/proxy.json"), &openapi::auth_proxy()));
    let mut reviewed = BTreeSet::new();
    for because in listed.because {
        assert!(because.reason.len() > 10, "{:?} has a reason", because.differences);
        for difference in because.differences {
            assert!(reviewed.insert(difference.clone()), "listed twice: {difference}");
        }
    }
    let new: Vec<_> = found.difference(&reviewed).collect();
    let stale: Vec<_> = reviewed.difference(&found).collect();
    assert!(new.is_empty() && stale.is_empty(), "not listed: {new:#?}\nlisted, and not there: {stale:#?}");
}

#[test]
fn every_activity_and_every_query_has_its_path() {
    let described = openapi::public();
    let path = |path: String| assert!(!described["paths"][&path].is_null(), "{path}");
    for t in vestibule_wire::ActivityType::ALL {
        path(format!("/public/v1/submit/{}", t.path()));
    }
    for name in vestibule_wire::query::QUERIES {
        path(format!("/public/v1/query/{name}"));
    }
}

#[test]
fn every_reference_in_the_descriptions_leads_somewhere() {
    for document in [openapi::public(), openapi::auth_proxy()] {
        let text = document.to_string();
        let mut references = 0;
        for part in text.split("\"$ref\":\"#").skip(1) {
            let path = part.split('"').next().expect("a path");
            assert!(document.pointer(path).is_some(), "{path}");
            references += 1;
        }
        assert!(references > 20, "{references}");
    }
}
