//! The description of both surfaces as OpenAPI 3.1, made of the types that requests are read into and answers are
//! written from: paths and versions come from the tables of activities, queries and endpoints, members from the structs.

mod summaries;
mod tidy;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::{ActivityType, intent, proxy, query, results, schema, view};

/// The description of the public API.
pub fn public() -> Value {
    let mut generator = generator();
    let mut paths = Map::new();
    let mut names: Vec<&str> = Vec::new();
    for t in ActivityType::ALL {
        if !names.contains(&t.path()) {
            names.push(t.path());
        }
    }
    for name in names {
        let item =
            operation(name, "activities", submit_body(name, &mut generator), activity(name, &mut generator));
        paths.insert(format!("/public/v1/submit/{name}"), item);
    }
    for name in query::QUERIES {
        if let Some((body, answer)) = query::schemas(name, &mut generator) {
            paths.insert(format!("/public/v1/query/{name}"), operation(name, "queries", body, answer));
        }
    }
    paths.insert("/public/v1/discovery/webhooks/jwks".to_owned(), webhook_keys(&mut generator));
    let secured = ["X-Stamp", "X-Stamp-Webauthn", "X-Stamp-Attested", "X-Session"];
    let about = "The body of an activity names its version in type and has that version's members in parameters. \
                 Requests are signed: the stamp is over the bytes of the body. An optional member that is null or an \
                 empty text counts as absent, and members that are not described are passed over.";
    document("Vestibule: public API", about, paths, &secured, generator)
}

/// The description of the auth proxy.
pub fn auth_proxy() -> Value {
    let mut generator = generator();
    let mut paths = Map::new();
    for name in proxy::ENDPOINTS {
        if let Some((body, answer)) = proxy::schemas(name, &mut generator) {
            paths.insert(format!("/v1/{name}"), operation(name, "auth proxy", body, answer));
        }
    }
    let about = "For browsers and apps: nothing is signed, and requests are held to the origins of the configuration \
                 that they name.";
    document("Vestibule: auth proxy", about, paths, &["X-Auth-Proxy-Config-Id"], generator)
}

fn generator() -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.meta_schema = None;
        settings.definitions_path = "/components/schemas".into();
    });
    settings.into_generator()
}

fn document(
    title: &str,
    about: &str,
    paths: Map<String, Value>,
    secured_by: &[&str],
    mut generator: SchemaGenerator,
) -> Value {
    generator.subschema_for::<view::ErrorBody>();
    let activities = generator.definitions().contains_key("Activity");
    let members = activities.then(|| {
        let intents = keyed(&mut generator, ActivityType::intent_key, intent::parameters_schema);
        (intents, keyed(&mut generator, ActivityType::result_key, result_schema))
    });
    let mut schemas = generator.take_definitions(true);
    if let Some((intents, outcomes)) = members {
        let description = "The parameters, under a name for each version.";
        schemas.insert("Intent".to_owned(), one_member(intents, 1, description));
        let description = "What came of it, under a name for each version.";
        schemas.insert("Result".to_owned(), one_member(outcomes, 0, description));
    }
    let scheme =
        |name: &&str| ((*name).to_owned(), json!({ "type": "apiKey", "in": "header", "name": name }));
    let schemes: Map<String, Value> = secured_by.iter().map(scheme).collect();
    let security: Vec<Value> = secured_by.iter().map(|name| json!({ (*name): [] })).collect();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": { "title": title, "version": env!("CARGO_PKG_VERSION"), "description": about },
        "servers": [{ "url": "/" }],
        "security": security,
        "paths": paths,
        "components": { "securitySchemes": schemes, "schemas": schemas },
    });
    tidy::tidy(&mut document, activities);
    document
}

fn operation(name: &str, tag: &str, body: Schema, answer: Schema) -> Value {
    let json = |schema: Value| json!({ "application/json": { "schema": schema } });
    json!({
        "post": {
            "operationId": name,
            "tags": [tag],
            "summary": summaries::of(name),
            "requestBody": { "required": true, "content": json(body.into()) },
            "responses": {
                "200": { "description": "Done.", "content": json(answer.into()) },
                "default": {
                    "description": "Refused.",
                    "content": json(json!({ "$ref": "#/components/schemas/ErrorBody" })),
                },
            },
        },
    })
}

/// The one path that is read with GET, by anybody.
fn webhook_keys(generator: &mut SchemaGenerator) -> Value {
    let json = |schema: Value| json!({ "application/json": { "schema": schema } });
    json!({
        "get": {
            "operationId": "webhook_jwks",
            "tags": ["discovery"],
            "summary": "The keys that webhook deliveries are signed with",
            "security": [],
            "responses": {
                "200": { "description": "Done.", "content": json(form::<view::WebhookJwks>(generator)) },
                "default": {
                    "description": "Refused.",
                    "content": json(json!({ "$ref": "#/components/schemas/ErrorBody" })),
                },
            },
        },
    })
}

/// The versions that a path takes.
fn versions(path: &str) -> impl Iterator<Item = ActivityType> {
    ActivityType::ALL.iter().copied().filter(move |t| t.path() == path)
}

fn submit_body(path: &str, generator: &mut SchemaGenerator) -> Schema {
    let mut bodies: Vec<Value> = versions(path)
        .map(|t| {
            json!({
                "title": t.name(),
                "type": "object",
                "properties": {
                    "type": { "type": "string", "enum": [t.name()] },
                    "timestampMs": {
                        "type": "string", "pattern": "^[0-9]{1,18}$",
                        "description": "Epoch milliseconds by the client's clock.",
                    },
                    "organizationId": form::<schema::Id>(generator),
                    "parameters": intent::parameters_schema(t, generator),
                    "generateAppProofs": { "type": "boolean", "description": "Passed over: there are none." },
                },
                "required": ["type", "timestampMs", "organizationId", "parameters"],
            })
        })
        .collect();
    let body = if bodies.len() == 1 { bodies.remove(0) } else { json!({ "oneOf": bodies }) };
    body.try_into().unwrap_or_default()
}

fn form<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().into()
}

/// The answer of a path: the activity, whose intent and result have the members that its versions have.
fn activity(path: &str, generator: &mut SchemaGenerator) -> Schema {
    let mut activity = form::<view::Activity>(generator);
    // A vote is answered with the activity voted on, which may be any.
    if versions(path).all(|t| !t.result_key().is_empty()) {
        let mut members = |key: fn(ActivityType) -> &'static str, of: SchemaOf, least: u32| {
            let found = versions(path).map(|t| (key(t).to_owned(), of(t, generator).into()));
            let properties: Map<String, Value> = found.collect();
            json!({
                "type": "object", "properties": properties, "additionalProperties": false,
                "minProperties": least, "maxProperties": 1,
            })
        };
        let intent = members(ActivityType::intent_key, intent::parameters_schema, 1);
        let result = members(ActivityType::result_key, result_schema, 0);
        let types: Vec<&str> = versions(path).map(ActivityType::name).collect();
        activity = json!({
            "allOf": [
                activity,
                {
                    "type": "object",
                    "properties": { "type": { "enum": types }, "intent": intent, "result": result },
                },
            ],
        });
    }
    let answer =
        json!({ "type": "object", "properties": { "activity": activity }, "required": ["activity"] });
    answer.try_into().unwrap_or_default()
}

type SchemaOf = fn(ActivityType, &mut SchemaGenerator) -> Schema;

fn result_schema(t: ActivityType, generator: &mut SchemaGenerator) -> Schema {
    results::schema(t.result_key(), generator).unwrap_or_default()
}

fn keyed(
    generator: &mut SchemaGenerator,
    key: fn(ActivityType) -> &'static str,
    of: SchemaOf,
) -> Map<String, Value> {
    let types = ActivityType::ALL.iter().filter(|t| !key(**t).is_empty());
    types.map(|t| (key(*t).to_owned(), of(*t, generator).into())).collect()
}

fn one_member(members: Map<String, Value>, least: u32, description: &str) -> Value {
    json!({
        "type": "object", "description": description, "properties": members,
        "minProperties": least, "maxProperties": 1,
    })
}
