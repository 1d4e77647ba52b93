//! Forms of texts, for the members whose type alone does not tell what the parser takes. Lengths count characters where
//! the parser counts bytes: of texts outside ASCII it takes less than is written here.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

macro_rules! forms {
    ($($(#[$doc:meta])* $name:ident = $schema:tt;)*) => {
        $(
            $(#[$doc])*
            pub(crate) enum $name {}

            impl JsonSchema for $name {
                fn inline_schema() -> bool {
                    true
                }

                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!($schema)
                }
            }
        )*
    };
}

forms! {
    /// A UUID, hyphenated.
    Id = { "type": "string", "format": "uuid" };
    /// 1 to 256 bytes without control characters.
    LabelText = {
        "type": "string", "minLength": 1, "maxLength": crate::MAX_LABEL,
        "pattern": r"^[^\u0000-\u001F\u007F-\u009F]+$"
    };
    /// An e-mail address.
    Email = { "type": "string", "format": "email", "minLength": 3, "maxLength": 254 };
    /// A telephone number; spaces, dots, dashes and parentheses are passed over.
    Phone = { "type": "string", "pattern": r"^\+[ .()-]*[1-9]([ .()-]*[0-9]){6,14}[ .()-]*$" };
    /// A compressed P-256 key.
    CompressedKey = { "type": "string", "pattern": "^0[23][0-9a-fA-F]{64}$" };
    /// A key of any curve.
    AnyKey = { "type": "string", "pattern": "^(0[23][0-9a-fA-F]{64}|[0-9a-fA-F]{64})$" };
    /// An uncompressed P-256 key.
    TargetKey = { "type": "string", "pattern": "^04[0-9a-fA-F]{128}$" };
    /// An e-mail address, or nothing, which removes the present one.
    EmailOrNone = { "type": "string", "anyOf": [{ "format": "email" }, { "const": "" }], "maxLength": 254 };
    /// A telephone number, or nothing, which removes the present one.
    PhoneOrNone = { "type": "string", "pattern": r"^(\+[ .()-]*[1-9]([ .()-]*[0-9]){6,14}[ .()-]*)?$" };
    /// r and s.
    RawSignature = { "type": "string", "pattern": "^[0-9a-fA-F]{128}$" };
    /// Any text that is not long.
    UserIdentifier = { "type": "string", "minLength": 1, "maxLength": 1024 };
    /// base64url of a challenge.
    Challenge = { "type": "string", "minLength": 1, "maxLength": 256 };
    /// Lifetime of a code: 1 to 600.
    CodeSeconds = { "type": "string", "pattern": "^0*([1-9][0-9]?|[1-5][0-9]{2}|600)$", "maxLength": 19 };
    /// Lifetime of a verification token: 1 to 86400.
    TokenSeconds = {
        "type": "string", "maxLength": 19,
        "pattern": "^0*([1-9][0-9]{0,3}|[1-7][0-9]{4}|8[0-5][0-9]{3}|86[0-3][0-9]{2}|86400)$"
    };
    /// Lifetime of a key or session: at least one second; the operator sets the greatest.
    Seconds = { "type": "string", "pattern": "^0*[1-9][0-9]*$", "maxLength": 19 };
    /// Lifetime of a code as a number.
    CodeSecondsNumber = { "type": "integer", "minimum": 1, "maximum": 600 };
    /// Lifetime of a verification token as a number.
    TokenSecondsNumber = { "type": "integer", "minimum": 1, "maximum": 86400 };
    /// Lifetime of a session as a number.
    SecondsNumber = { "type": "integer", "minimum": 1, "maximum": (u32::MAX) };
    /// A way to log in.
    AuthMethod = { "type": "string", "enum": (crate::AUTH_METHODS) };
    /// Length of a code.
    CodeLength = { "type": "integer", "minimum": 6, "maximum": 9 };
    /// Size of a page: 1 to 100.
    PageSize = { "type": "string", "pattern": "^0*([1-9][0-9]?|100)$", "maxLength": 19 };
    /// How many approvals it takes.
    Threshold = { "type": "integer", "minimum": 1, "maximum": 100 };
    /// A link into an app, `%s` standing for the code.
    MagicLink = {
        "type": "string", "maxLength": 2048, "pattern": r"^[A-Za-z][A-Za-z0-9+.-]*:[^\s\u0000-\u001F\u007F-\u009F]*%s[^\s\u0000-\u001F\u007F-\u009F]*$"
    };
    /// An https URL.
    HttpsUrl = { "type": "string", "maxLength": 2048, "pattern": r#"^https://[^/\s"<\u0000-\u001F\u007F-\u009F][^\s"<\u0000-\u001F\u007F-\u009F]*$"# };
    /// A message that contains the code.
    SmsTemplate = { "type": "string", "maxLength": 1024, "pattern": r"\{\{ *\.OtpCode *\}\}" };
    /// Text of a JSON object of strings.
    JsonText = { "type": "string", "minLength": 2, "contentMediaType": "application/json" };
    /// Text of a JSON object that says which activities an endpoint is told of.
    WebhookFilters = { "type": "string", "minLength": 2, "maxLength": 1024, "contentMediaType": "application/json" };
    /// What a feature is set to.
    FeatureValue = { "type": "string", "maxLength": 4096, "pattern": r"^[^\u0000-\u001F\u007F-\u009F]*$" };
    /// A fingerprint.
    Fingerprint = { "type": "string", "pattern": "^sha256:[0-9a-fA-F]{64}$" };
    /// A language tag, or several as in `Accept-Language`; what cannot be read is passed over.
    Languages = { "type": "string", "examples": ["de-AT", "fr-CH, fr;q=0.9, en;q=0.8"] };
    /// How an authenticator is reached.
    Transport = {
        "type": "string",
        "enum": [
            "AUTHENTICATOR_TRANSPORT_BLE", "AUTHENTICATOR_TRANSPORT_INTERNAL", "AUTHENTICATOR_TRANSPORT_NFC",
            "AUTHENTICATOR_TRANSPORT_USB", "AUTHENTICATOR_TRANSPORT_HYBRID"
        ]
    };
    /// Where an authenticator is.
    Attachment = { "type": "string", "enum": ["cross-platform", "platform"] };
    /// The one kind of credential that WebAuthn knows.
    PublicKeyType = { "type": "string", "enum": ["public-key"] };
    /// The one scheme of client signatures.
    ClientScheme = { "type": "string", "enum": ["CLIENT_SIGNATURE_SCHEME_API_P256"] };
    /// What sub-organizations are looked up by.
    FilterType = {
        "type": "string",
        "enum": [
            "CREDENTIAL_ID", "NAME", "USERNAME", "EMAIL", "PHONE_NUMBER", "OIDC_TOKEN", "WALLET_ACCOUNT_ADDRESS",
            "PUBLIC_KEY"
        ]
    };
}

/// The name of an activity type.
pub(crate) enum ActivityTypeName {}

impl JsonSchema for ActivityTypeName {
    fn schema_name() -> Cow<'static, str> {
        "ActivityType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = crate::ActivityType::ALL.iter().map(|t| t.name()).collect();
        json_schema!({ "type": "string", "enum": names, "description": "Each version of each activity." })
    }
}

pub(crate) fn intent(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "$ref": "#/components/schemas/Intent" })
}

pub(crate) fn result(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "$ref": "#/components/schemas/Result" })
}
