//! One connection, the statements prepared on it, and how values cross it.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{BufMut as _, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{AsyncMessage, Client, Connection as Driver, NoTls, Socket, tls};

use super::flight::in_order;
use crate::dialect::Dialect;
use crate::statements::Statement;
use crate::value::{Cell, Row, RowError, Value};

/// How a statement of the catalogue is put to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As it stands.
    Plain,
    /// A change that raises `division_by_zero` when it matches no row, so that the commit behind it in the same flight
    /// comes to nothing.
    Guarded,
    /// A query that raises so when it finds no row.
    Found,
    /// As [`Form::Guarded`], and raises as well when the time in the parameter behind its own is further from the
    /// database's than [`MAX_SKEW_MS`].
    Timed,
}

/// How far the time by which guards judge may be from the database's. Beyond it the change set is not applied, but tried
/// again with the right time.
pub(super) const MAX_SKEW_MS: i64 = 5_000;

impl Form {
    fn text(self, statement: Statement) -> Cow<'static, str> {
        let text = statement.text(Dialect::Postgres);
        match self {
            Self::Plain => text.into(),
            Self::Guarded => {
                format!("WITH done AS ({text} RETURNING 1) SELECT 1 / count(*) FROM done").into()
            }
            Self::Found => format!("SELECT 1 / count(*) FROM ({text}) AS found").into(),
            Self::Timed => {
                let time = statement.parameters() + 1;
                format!(
                    "WITH done AS ({text} RETURNING 1) SELECT 1 / (count(*) * {}) FROM done",
                    time_is_right(&format!("${time}"))
                )
                .into()
            }
        }
    }
}

/// 1 when the time in a parameter is about the database's, else 0.
fn time_is_right(parameter: &str) -> String {
    format!("(abs({DATABASE_TIME} - {parameter}::bigint) <= {MAX_SKEW_MS})::int")
}

/// A statement of no store in particular: what only this one needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    /// The database's time.
    Time,
    /// Raises when the time in `$1` is further from the database's than [`MAX_SKEW_MS`].
    TimeIsRight,
}

/// The clock of the database, epoch milliseconds; unlike `now()` it runs on within a transaction.
const DATABASE_TIME: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

impl Control {
    fn text(self) -> String {
        match self {
            Self::Time => format!("SELECT {DATABASE_TIME}"),
            Self::TimeIsRight => format!("SELECT 1 / {}", time_is_right("$1")),
        }
    }
}

/// Statements by number: the catalogue in each form, then the control statements.
const FORMS: usize = 4;
const CONTROLS: usize = 2;

/// What is to be prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    Catalogue(Statement, Form),
    Control(Control),
}

impl Text {
    fn index(self) -> usize {
        match self {
            Self::Catalogue(statement, form) => statement as usize * FORMS + form as usize,
            Self::Control(control) => Statement::ALL.len() * FORMS + control as usize,
        }
    }

    fn text(self) -> Cow<'static, str> {
        match self {
            Self::Catalogue(statement, form) => form.text(statement),
            Self::Control(control) => control.text().into(),
        }
    }
}

/// A connection with its prepared statements.
pub(super) struct Connection {
    pub(super) client: Client,
    prepared: Vec<Option<tokio_postgres::Statement>>,
    /// Set when the database said that a commit may not have reached its standby.
    warned: Arc<AtomicBool>,
    driver: tokio::task::JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Without its driver the socket closes at once, whatever is still on its way.
        self.driver.abort();
    }
}

impl Connection {
    /// Drives `driver` on a task of its own.
    pub(super) fn new<T>(client: Client, mut driver: Driver<Socket, T>) -> Self
    where
        T: tls::TlsStream + Unpin + Send + 'static,
    {
        let warned = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn({
            let warned = Arc::clone(&warned);
            async move {
                while let Some(message) = std::future::poll_fn(|cx| driver.poll_message(cx)).await {
                    match message {
                        Ok(AsyncMessage::Notice(notice)) if notice.severity() == "WARNING" => {
                            tracing::warn!(target: "vestibule::store", code = notice.code().code(), "the database warns: {}", notice.message());
                            warned.store(true, Ordering::Release);
                        }
                        Ok(_) => {}
                        Err(error) => {
                            tracing::debug!(target: "vestibule::store", %error, "a database connection ended");
                            return;
                        }
                    }
                }
            }
        });
        let prepared = vec![None; Statement::ALL.len() * FORMS + CONTROLS];
        Self { client, prepared, warned, driver: task }
    }

    /// Whether the database warned since the last call. Our statements give no cause for warnings, save one: a commit
    /// whose wait for the standby was cancelled, which must not be acknowledged.
    pub(super) fn take_warning(&self) -> bool {
        self.warned.swap(false, Ordering::AcqRel)
    }

    /// Prepares what is not prepared yet. Returns whether that took a round trip.
    pub(super) async fn prepare(&mut self, texts: &[Text]) -> Result<bool, tokio_postgres::Error> {
        let mut missing: Vec<Text> = Vec::new();
        for text in texts {
            if self.prepared[text.index()].is_none() && !missing.contains(text) {
                missing.push(*text);
            }
        }
        if missing.is_empty() {
            return Ok(false);
        }
        let written: Vec<Cow<'static, str>> = missing.iter().map(|text| text.text()).collect();
        let client = &self.client;
        let prepared = in_order(written.iter().map(|text| client.prepare(text)).collect()).await;
        for (text, statement) in missing.into_iter().zip(prepared) {
            self.prepared[text.index()] = Some(statement?);
        }
        Ok(true)
    }

    /// A statement that [`Connection::prepare`] has prepared.
    pub(super) fn statement(&self, text: Text) -> &tokio_postgres::Statement {
        self.prepared[text.index()].as_ref().expect("statements are prepared before they are sent")
    }
}

/// Stands where TLS would, for servers that are reached in plain text.
pub(super) const PLAIN: NoTls = NoTls;

impl ToSql for Value<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Value::Null => return Ok(IsNull::Yes),
            Value::Int(value) if *ty == Type::INT8 => out.put_i64(*value),
            Value::Int(value) if *ty == Type::INT4 => out.put_i32(i32::try_from(*value)?),
            Value::Text(value) if *ty == Type::TEXT => out.put_slice(value.as_bytes()),
            Value::Bytes(value) if *ty == Type::BYTEA => out.put_slice(value),
            Value::Id(value) if *ty == Type::BYTEA => out.put_slice(value),
            Value::Int(_) | Value::Text(_) | Value::Bytes(_) | Value::Id(_) => {
                return Err(format!("a parameter is of type {ty}").into());
            }
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A value as it came.
struct Raw<'a>(Result<Cell<'a>, &'static str>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let cell = match *ty {
            Type::INT8 => {
                raw.try_into().map(|raw| Cell::Int(i64::from_be_bytes(raw))).map_err(|_| "no number")
            }
            Type::INT4 => raw
                .try_into()
                .map(|raw| Cell::Int(i64::from(i32::from_be_bytes(raw))))
                .map_err(|_| "no number"),
            Type::TEXT => std::str::from_utf8(raw).map(Cell::Text).map_err(|_| "not UTF-8"),
            Type::BYTEA => Ok(Cell::Bytes(raw)),
            _ => Err("of a type that no statement returns"),
        };
        Ok(Self(cell))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Ok(Cell::Null)))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl Row for tokio_postgres::Row {
    fn cell(&self, index: usize) -> Result<Cell<'_>, RowError> {
        let problem = |problem| RowError { column: index, problem };
        let Raw(cell) = self.try_get(index).map_err(|_| problem("missing"))?;
        cell.map_err(problem)
    }
}
