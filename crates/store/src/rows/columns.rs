//! Reads the columns of a row one after the other, each as what it must be.

use serde::de::DeserializeOwned;
use uuid::Uuid;
use vestibule_engine::store::{channel_from_code, flavour_from_code};
use vestibule_wire::{OtpFlavour, OtpType};

use crate::value::{Cell, Row, RowError};

/// Reads the columns of a row one after the other.
pub struct Columns<'r> {
    row: &'r dyn Row,
    next: usize,
}

impl<'r> Columns<'r> {
    /// From the first column on.
    pub fn of(row: &'r dyn Row) -> Self {
        Self { row, next: 0 }
    }

    pub(super) fn cell(&mut self) -> Result<Cell<'r>, RowError> {
        let cell = self.row.cell(self.next)?;
        self.next += 1;
        Ok(cell)
    }

    /// A problem with the column that was read last.
    pub(super) fn problem(&self, problem: &'static str) -> RowError {
        RowError { column: self.next.saturating_sub(1), problem }
    }

    /// Passes over columns.
    pub fn skip(&mut self, count: usize) {
        self.next += count;
    }

    /// Whether the next column is null; does not move on.
    pub fn at_null(&self) -> Result<bool, RowError> {
        Ok(self.row.cell(self.next)? == Cell::Null)
    }

    /// BIGINT NOT NULL.
    pub fn int(&mut self) -> Result<i64, RowError> {
        self.opt_int()?.ok_or_else(|| self.problem("null"))
    }

    /// BIGINT.
    pub fn opt_int(&mut self) -> Result<Option<i64>, RowError> {
        match self.cell()? {
            Cell::Int(value) => Ok(Some(value)),
            Cell::Null => Ok(None),
            Cell::Text(_) | Cell::Bytes(_) => Err(self.problem("not a number")),
        }
    }

    /// TEXT NOT NULL.
    pub fn text(&mut self) -> Result<String, RowError> {
        self.opt_text()?.ok_or_else(|| self.problem("null"))
    }

    /// TEXT.
    pub fn opt_text(&mut self) -> Result<Option<String>, RowError> {
        Ok(self.opt_str()?.map(str::to_owned))
    }

    pub(super) fn opt_str(&mut self) -> Result<Option<&'r str>, RowError> {
        match self.cell()? {
            Cell::Text(value) => Ok(Some(value)),
            Cell::Null => Ok(None),
            Cell::Int(_) | Cell::Bytes(_) => Err(self.problem("not a text")),
        }
    }

    pub(super) fn opt_bytes(&mut self) -> Result<Option<&'r [u8]>, RowError> {
        match self.cell()? {
            Cell::Bytes(value) => Ok(Some(value)),
            Cell::Null => Ok(None),
            Cell::Int(_) | Cell::Text(_) => Err(self.problem("not bytes")),
        }
    }

    pub(super) fn bytes(&mut self) -> Result<&'r [u8], RowError> {
        self.opt_bytes()?.ok_or_else(|| self.problem("null"))
    }

    /// BYTEA NOT NULL of 32 bytes.
    pub fn hash(&mut self) -> Result<[u8; 32], RowError> {
        let bytes = self.bytes()?;
        bytes.try_into().map_err(|_| self.problem("not 32 bytes"))
    }

    /// BYTEA of 16 bytes.
    pub fn opt_uuid(&mut self) -> Result<Option<Uuid>, RowError> {
        match self.opt_bytes()? {
            None => Ok(None),
            Some(bytes) => Uuid::from_slice(bytes).map(Some).map_err(|_| self.problem("not 16 bytes")),
        }
    }

    /// BYTEA NOT NULL of 16 bytes.
    pub fn uuid(&mut self) -> Result<Uuid, RowError> {
        self.opt_uuid()?.ok_or_else(|| self.problem("null"))
    }

    pub(super) fn json<T: DeserializeOwned>(&mut self) -> Result<T, RowError> {
        let text = self.opt_str()?.ok_or_else(|| self.problem("null"))?;
        serde_json::from_str(text).map_err(|_| self.problem("not the JSON it should be"))
    }

    pub(super) fn opt_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, RowError> {
        if self.at_null()? {
            self.skip(1);
            return Ok(None);
        }
        self.json().map(Some)
    }

    pub(super) fn code<T>(&mut self, read: impl FnOnce(i64) -> Option<T>) -> Result<T, RowError> {
        let code = self.int()?;
        read(code).ok_or_else(|| self.problem("unknown code"))
    }

    pub(super) fn word<T>(&mut self, read: impl FnOnce(&str) -> Option<T>) -> Result<T, RowError> {
        let word = self.opt_str()?.ok_or_else(|| self.problem("null"))?;
        read(word).ok_or_else(|| self.problem("unknown word"))
    }

    pub(super) fn channel(&mut self) -> Result<OtpType, RowError> {
        self.code(channel_from_code)
    }

    pub(super) fn flavour(&mut self) -> Result<OtpFlavour, RowError> {
        self.code(flavour_from_code)
    }
}
