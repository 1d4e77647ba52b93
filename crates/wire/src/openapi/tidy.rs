//! What the generator cannot know: that null and an empty text are absent members (D-5), and which texts are emptied
//! before anybody sees them (D-2, D-11).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Members of which strangers, or everybody, see an empty text.
const EMPTIED: &[&str] =
    &["otpCode", "encryptedOtpBundle", "verificationToken", "userEmail", "userPhoneNumber"];
/// Members that are written as null.
const NULL: &[&str] = &["failure"];

/// `echoed` where requests come back in answers.
pub(super) fn tidy(document: &mut Value, echoed: bool) {
    let requested = requested(document);
    let components = document["components"]["schemas"].as_object_mut();
    for (name, schema) in components.into_iter().flatten() {
        walk(schema, &mut |object| {
            object.remove("title");
            if let Some(Value::String(text)) = object.get("description") {
                match told(name, text) {
                    Some(text) => object.insert("description".to_owned(), text.into()),
                    None => object.remove("description"),
                };
            }
            drop_null_members(object);
            if requested.contains(name) {
                demand_text(object, if echoed { EMPTIED } else { &[] });
            }
            if object.get("additionalProperties") == Some(&Value::Bool(false)) {
                object.remove("additionalProperties");
            }
        });
    }
    for operation in document["paths"].as_object_mut().into_iter().flatten() {
        walk(operation.1, &mut drop_null_members);
    }
}

/// Names of the schemas that requests are made of.
fn requested(document: &Value) -> BTreeSet<String> {
    let schemas = &document["components"]["schemas"];
    let mut names = BTreeSet::new();
    let mut waiting: Vec<&Value> = Vec::new();
    for item in document["paths"].as_object().into_iter().flatten() {
        waiting.push(&item.1["post"]["requestBody"]);
    }
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(members) => {
                let target = members.get("$ref").and_then(Value::as_str);
                if let Some(name) = target.and_then(|path| path.strip_prefix("#/components/schemas/"))
                    && names.insert(name.to_owned())
                {
                    waiting.push(&schemas[name]);
                }
                waiting.extend(members.values());
            }
            Value::Array(items) => waiting.extend(items),
            _ => {}
        }
    }
    names
}

fn walk(value: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(members) => {
            change(members);
            members.values_mut().for_each(|member| walk(member, change));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, change)),
        _ => {}
    }
}

/// Takes null out of what the members of an object may be.
fn drop_null_members(object: &mut Map<String, Value>) {
    let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (_, schema) in properties.iter_mut().filter(|(name, _)| !NULL.contains(&name.as_str())) {
        let Some(schema) = schema.as_object_mut() else { continue };
        if let Some(Value::Array(types)) = schema.get_mut("type") {
            types.retain(|kind| kind != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                schema.insert("type".to_owned(), only);
            }
        }
        if let Some(Value::Array(values)) = schema.get_mut("enum") {
            values.retain(|value| !value.is_null());
        }
        if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
            choices.retain(|choice| choice["type"] != "null");
            if let [Value::Object(only)] = choices.as_slice() {
                let only = only.clone();
                schema.remove("anyOf");
                schema.extend(only);
            }
        }
    }
}

/// A description without its references to papers that its readers do not have; none where it says nothing but a name.
fn told(of: &str, text: &str) -> Option<String> {
    let mut rest = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for mark in ["(protocol ", "(G-", "(D-", ", protocol "] {
        while let Some(start) = rest.find(mark) {
            let end = match mark.as_bytes()[0] {
                b'(' => rest[start..].find(')').map(|end| start + end + 1),
                _ => rest[start..].find([';', '.']).map(|end| start + end),
            };
            rest.replace_range(start..end.unwrap_or(rest.len()), "");
        }
    }
    let text = rest.replace(" .", ".").replace(" ;", ";").replace("  ", " ").trim().to_owned();
    (!text.is_empty() && text.trim_matches(['`', '.']) != of).then_some(text)
}

/// A required text is not empty.
fn demand_text(object: &mut Map<String, Value>, but: &[&str]) {
    let required: Vec<String> =
        object.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(text).collect();
    let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (name, schema) in properties.iter_mut() {
        let Some(schema) = schema.as_object_mut() else { continue };
        let bounded = ["minLength", "pattern", "format", "enum", "const", "anyOf"];
        let free = schema.get("type") == Some(&Value::from("string"))
            && !bounded.iter().any(|bound| schema.contains_key(*bound));
        if free && required.contains(name) && !but.contains(&name.as_str()) {
            schema.insert("minLength".to_owned(), Value::from(1));
        }
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
