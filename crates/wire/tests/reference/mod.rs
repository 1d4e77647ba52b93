//! Bodies built from the published description of the API (`testdata/openapi/public.json`), for every type it names.

use serde_json::{Map, Value, json};
use vestibule_wire::ActivityType;

/// An id, where one is wanted.
pub const ID: &str = "7ff189fb-df7d-452e-8540-57632e380b77";

/// Members that exclude another one, that ask for what is outside of this product, or that are not read.
const LEFT_OUT: &[(&str, &str)] =
    &[("OauthProviderParamsV2", "oidcClaims"), ("", "wallet"), ("Pagination", "before"), ("", "credProps")];

/// The description.
pub struct Reference {
    pub document: Value,
}

impl Reference {
    pub fn load() -> Self {
        let text = include_str!("../../../../testdata/openapi/public.json");
        Self { document: serde_json::from_str(text).expect("JSON") }
    }

    pub fn definition(&self, name: &str) -> &Value {
        &self.document["definitions"][name]
    }

    pub fn required(&self, name: &str) -> Vec<&str> {
        let list = self.definition(name)["required"].as_array();
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// A value of a definition, with all members or with the required ones alone.
    pub fn object(&self, name: &str, all: bool) -> Value {
        let required = self.required(name);
        let mut object = Map::new();
        for (member, schema) in self.definition(name)["properties"].as_object().into_iter().flatten() {
            let left_out = LEFT_OUT.iter().any(|(of, left)| left == member && (of.is_empty() || *of == name));
            // One of two optional members is needed.
            let needed = required.contains(&member.as_str())
                || (name, member.as_str()) == ("OauthProviderParamsV2", "oidcToken");
            if (all && !left_out) || needed {
                object.insert(member.clone(), self.value(name, member, schema, all));
            }
        }
        Value::Object(object)
    }

    fn value(&self, of: &str, member: &str, schema: &Value, all: bool) -> Value {
        if let Some(name) = referred(schema) {
            return match self.definition(name)["enum"].as_array() {
                Some(values) => values[0].clone(),
                None => self.object(name, all),
            };
        }
        let text = match member {
            "expirationSeconds" | "limit" | "timestampMs" => "60",
            "contact" | "userEmail" | "email" | "sendFromEmailAddress" | "replyToEmailAddress" => {
                "user@example.com"
            }
            "userPhoneNumber" => "+15550001111",
            "otpType" => "OTP_TYPE_EMAIL",
            "publicKey" => "02d3f1b2c4a5968778695a4b3c2d1e0f0f1e2d3c4b5a69788796a5b4c3d2e1f0aa",
            "template" => "{{.OtpCode}}",
            "magicLinkTemplate" => "https://app.example/?c=%s",
            "templateVariables" | "filtersJson" => "{}",
            "logoUrl" | "url" => "https://app.example/x",
            "allowedOrigins" => "*",
            "allowedAuthMethods" => "email",
            "fingerprint" => "sha256:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9",
            "eventType" if of == "ListEmailEventsRequest" => "Send",
            "eventType" => "ACTIVITY_UPDATES",
            "filterType" => "EMAIL",
            "filterValue" => "user@example.com",
            _ if member.ends_with("Id") || member.ends_with("Ids") || member == "userTags" => ID,
            "id" | "after" => ID,
            _ => "x",
        };
        match schema["type"].as_str() {
            Some("string") => {
                schema["enum"].as_array().map_or_else(|| json!(text), |values| values[0].clone())
            }
            Some("integer") => json!(if member == "otpLength" { 6 } else { 1 }),
            Some("boolean") => json!(false),
            Some("array") => json!([self.value(of, member, &schema["items"], all)]),
            Some("object") => json!({ "google": text }),
            other => panic!("{member}: {other:?}"),
        }
    }

    /// Where required members stand in a full value of a definition: JSON pointers of their objects, and their names.
    pub fn required_members(&self, name: &str, at: &str, found: &mut Vec<(String, String, String)>) {
        for member in self.required(name) {
            found.push((name.to_owned(), at.to_owned(), member.to_owned()));
        }
        for (member, schema) in self.definition(name)["properties"].as_object().into_iter().flatten() {
            if LEFT_OUT.iter().any(|(of, left)| left == member && (of.is_empty() || *of == name)) {
                continue;
            }
            if let Some(inner) = referred(schema) {
                self.required_members(inner, &format!("{at}/{member}"), found);
            } else if let Some(inner) = referred(&schema["items"]) {
                self.required_members(inner, &format!("{at}/{member}/0"), found);
            }
        }
    }
}

pub fn referred(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix("#/definitions/")
}

/// Every type of the description with the definition of its parameters.
pub fn versions(reference: &Reference) -> Vec<(ActivityType, String)> {
    let mut versions = Vec::new();
    for path in reference.document["paths"].as_object().expect("paths").values() {
        for version in path["post"]["x-versions"].as_array().into_iter().flatten() {
            let name = version["type"].as_str().expect("a type");
            let activity = ActivityType::from_name(name).unwrap_or_else(|| panic!("{name} is missing"));
            versions.push((
                activity,
                referred(&json!({ "$ref": version["intent"] })).expect("an intent").to_owned(),
            ));
        }
    }
    versions
}
