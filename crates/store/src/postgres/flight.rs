//! What goes to the database in one go: all statements are written before the first answer is awaited.
//!
//! Promise: a change set is one flight of `BEGIN ... COMMIT`, in which a guard that matches no row raises, so that the
//! commit behind it comes to nothing; what is reported as committed was acknowledged by the database as durable.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_util::TryStreamExt as _;
use tokio_postgres::error::SqlState;
use vestibule_engine::store::{ChangeSet, StoreError};

use super::connection::{Connection, Control, Form, Text};
use crate::plan::{self, Expect, Step};
use crate::rows::Columns;
use crate::statements::Statement;
use crate::value::{Cell, Row as _, RowError, Value};

/// Decisions read one state of the database.
const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Guards are predicates of the statements that change the rows, so that they hold at this level; each statement sees
/// what was committed before it.
const BEGIN_WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
const COMMIT: &str = "COMMIT";

/// Why a flight did not bring what it should.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The guard of this write matched no row, or a key is taken.
    Conflict(&'static str),
    /// The time given was not the database's.
    Skew,
    /// Another transaction stood in the way; the same flight may pass now.
    Again(String),
    /// The database refused, and nothing was applied.
    Refused(String),
    /// The connection is of no more use. Whether a commit on its way was applied is not known.
    Away(String),
    /// A row that this program did not write.
    Row(RowError),
}

impl Trouble {
    /// Whether the connection must not be used again.
    pub(super) fn ends_connection(&self) -> bool {
        matches!(self, Self::Away(_))
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Conflict(write) => write!(f, "conflict at {write}"),
            Self::Skew => write!(f, "this machine's time is not the database's"),
            Self::Again(cause) | Self::Refused(cause) | Self::Away(cause) => f.write_str(cause),
            Self::Row(error) => error.fmt(f),
        }
    }
}

impl From<RowError> for Trouble {
    fn from(error: RowError) -> Self {
        Self::Row(error)
    }
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        Self(trouble.to_string())
    }
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(database) = error.as_db_error() else {
            return Self::Away(error.to_string());
        };
        let code = database.code();
        let cause = format!("{} ({})", database.message(), code.code());
        let again = [&SqlState::T_R_DEADLOCK_DETECTED, &SqlState::T_R_SERIALIZATION_FAILURE];
        // A server that goes down, that has become a standby, or that lost the connection's state.
        let away = code.code().starts_with("08")
            || code.code().starts_with("57P")
            || *code == SqlState::READ_ONLY_SQL_TRANSACTION
            || *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
            || *code == SqlState::INVALID_SQL_STATEMENT_NAME
            || *code == SqlState::FEATURE_NOT_SUPPORTED;
        if again.contains(&code) || *code == SqlState::LOCK_NOT_AVAILABLE {
            Self::Again(cause)
        } else if away {
            Self::Away(cause)
        } else {
            Self::Refused(cause)
        }
    }
}

/// Polls all futures once, in order, which writes their requests; then awaits their answers in that order, so that the task
/// is woken for the answer it waits for and not by each. Answers must be taken as they come: the driver stops reading
/// while one of them is not.
pub(super) async fn in_order<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut waiting: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut answers: Vec<Option<F::Output>> = Vec::with_capacity(waiting.len());
    for future in &mut waiting {
        answers.push(match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        });
    }
    for (future, answer) in waiting.into_iter().zip(&mut answers) {
        if answer.is_none() {
            *answer = Some(future.await);
        }
    }
    answers.into_iter().flatten().collect()
}

/// One request of a flight.
enum Request<'a> {
    Control(&'static str),
    Prepared(Text, &'a [Value<'a>]),
}

/// What a statement returned, and how many rows it found or changed.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) rows: Vec<tokio_postgres::Row>,
    pub(super) count: u64,
}

async fn send(conn: &Connection, request: Request<'_>) -> Result<Answer, tokio_postgres::Error> {
    match request {
        Request::Control(text) => conn.client.batch_execute(text).await.map(|()| Answer::default()),
        Request::Prepared(text, params) => {
            if let Text::Catalogue(statement, _) = text {
                trace(statement);
            }
            let mut stream = std::pin::pin!(conn.client.query_raw(conn.statement(text), params).await?);
            let mut rows = Vec::new();
            while let Some(row) = stream.try_next().await? {
                rows.push(row);
            }
            Ok(Answer { rows, count: stream.rows_affected().unwrap_or(0) })
        }
    }
}

/// Names a statement in the trace. Parameters never appear in logs.
fn trace(statement: Statement) {
    tracing::trace!(target: "vestibule::store", statement = statement.name());
}

/// What a query found.
pub(super) type Rows = Vec<tokio_postgres::Row>;

/// A statement of the catalogue with its parameters.
pub(super) type Query<'a> = (Statement, &'a [Value<'a>]);

/// Runs queries on one state of the database, in one round trip once they are prepared; `with_time` asks for the
/// database's time first.
pub(super) async fn snapshot(
    conn: &mut Connection,
    queries: &[Query<'_>],
    with_time: bool,
) -> Result<(Option<i64>, Vec<Rows>), Trouble> {
    let time = Text::Control(Control::Time);
    let mut texts: Vec<Text> =
        queries.iter().map(|(statement, _)| Text::Catalogue(*statement, Form::Plain)).collect();
    texts.extend(with_time.then_some(time));
    conn.prepare(&texts).await?;
    let conn = &*conn;
    // One query is consistent in itself.
    let framed = texts.len() > 1;
    let mut requests = Vec::with_capacity(texts.len() + 2);
    if framed {
        requests.push(send(conn, Request::Control(BEGIN_READ)));
    }
    if with_time {
        requests.push(send(conn, Request::Prepared(time, &[])));
    }
    for (text, (_, params)) in texts.iter().zip(queries) {
        requests.push(send(conn, Request::Prepared(*text, params)));
    }
    if framed {
        requests.push(send(conn, Request::Control(COMMIT)));
    }
    let answers = in_order(requests).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut answers = answers.into_iter().map(|answer| answer.rows).skip(usize::from(framed));
    let time = if with_time { Some(one_int(&answers.next().unwrap_or_default())?) } else { None };
    Ok((time, answers.take(queries.len()).collect()))
}

fn one_int(rows: &[tokio_postgres::Row]) -> Result<i64, RowError> {
    match rows.first().map(|row| row.cell(0)).transpose()? {
        Some(Cell::Int(value)) => Ok(value),
        _ => Err(RowError { column: 0, problem: "not a number" }),
    }
}

/// Runs changes without guards in one transaction and one round trip.
pub(super) async fn changes(conn: &mut Connection, changes: &[Query<'_>]) -> Result<Vec<Answer>, Trouble> {
    let texts: Vec<Text> =
        changes.iter().map(|(statement, _)| Text::Catalogue(*statement, Form::Plain)).collect();
    conn.prepare(&texts).await?;
    conn.take_warning();
    let conn = &*conn;
    // One statement is a transaction of its own.
    let framed = changes.len() > 1;
    let mut requests = Vec::with_capacity(changes.len() + 2);
    if framed {
        requests.push(send(conn, Request::Control(BEGIN_WRITE)));
    }
    for (text, (_, params)) in texts.iter().zip(changes) {
        requests.push(send(conn, Request::Prepared(*text, params)));
    }
    if framed {
        requests.push(send(conn, Request::Control(COMMIT)));
    }
    let mut answers = in_order(requests).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    acknowledged(conn)?;
    if framed {
        answers.pop();
        answers.remove(0);
    }
    Ok(answers)
}

fn acknowledged(conn: &Connection) -> Result<(), Trouble> {
    match conn.take_warning() {
        false => Ok(()),
        true => Err(Trouble::Away("the database gave a warning with the commit".to_owned())),
    }
}

fn form(step: &Step<'_>) -> Form {
    match step.expect {
        Expect::OneRow => Form::Guarded,
        Expect::AnyRows | Expect::Holds => Form::Plain,
        Expect::Exists => Form::Found,
    }
}

/// Applies a change set in one round trip once its statements are prepared. `now` is the time by which guards judge;
/// `check_time` is the time to compare with the database's, if any.
pub(super) async fn commit(
    conn: &mut Connection,
    changes: &ChangeSet,
    now: i64,
    check_time: Option<i64>,
) -> Result<(), Trouble> {
    let mut names = Vec::with_capacity(changes.writes.len() + 4);
    let mut steps = Vec::with_capacity(changes.writes.len() + 4);
    for write in plan::in_lock_order(changes) {
        for step in plan::steps(write, now) {
            names.push(plan::name(write));
            steps.push(step);
        }
    }
    let mut texts: Vec<Text> = steps.iter().map(|step| Text::Catalogue(step.statement, form(step))).collect();
    // What every activity begins with checks the time on its way; other sets are rare enough to ask for it.
    let mut check = None;
    if let Some(time) = check_time {
        match steps.first_mut() {
            Some(step)
                if matches!(step.statement, Statement::InsertActivity | Statement::RememberRefusedGuess) =>
            {
                step.params.push(Value::Int(time));
                texts[0] = Text::Catalogue(step.statement, Form::Timed);
            }
            _ => check = Some([Value::Int(time)]),
        }
    }
    let control = Text::Control(Control::TimeIsRight);
    let needed: Vec<Text> = texts.iter().copied().chain(check.is_some().then_some(control)).collect();
    conn.prepare(&needed).await?;
    conn.take_warning();
    let conn = &*conn;
    let mut requests = Vec::with_capacity(steps.len() + 3);
    requests.push(send(conn, Request::Control(BEGIN_WRITE)));
    if let Some(params) = &check {
        requests.push(send(conn, Request::Prepared(control, params)));
    }
    let first = requests.len();
    for (text, step) in texts.iter().zip(&steps) {
        requests.push(send(conn, Request::Prepared(*text, &step.params)));
    }
    requests.push(send(conn, Request::Control(COMMIT)));
    for (position, answer) in in_order(requests).await.into_iter().enumerate() {
        // What follows the first error is that the transaction was aborted.
        let Err(error) = answer else { continue };
        let raised = |state: &SqlState| error.code() == Some(state);
        let step = position.checked_sub(first).filter(|step| *step < steps.len());
        return Err(match step {
            Some(step) if raised(&SqlState::DIVISION_BY_ZERO) || raised(&SqlState::UNIQUE_VIOLATION) => {
                Trouble::Conflict(names[step])
            }
            None if position > 0 && raised(&SqlState::DIVISION_BY_ZERO) => Trouble::Skew,
            _ => error.into(),
        });
    }
    acknowledged(conn)
}

/// Reads the rows of an answer.
pub(super) fn decode<T>(
    rows: &[tokio_postgres::Row],
    decode: impl Fn(&mut Columns<'_>) -> Result<T, RowError>,
) -> Result<Vec<T>, RowError> {
    rows.iter().map(|row| decode(&mut Columns::of(row))).collect()
}
