use std::fs::File;
use std::io::{self, BufWriter, Write};

use injixo_connectors::core::model::RejectedRow;

use crate::table::field;

/// A file of rejected rows: `file,line,column,rule,excerpt`.
#[derive(Debug)]
pub struct Rejects {
    out: BufWriter<File>,
}

impl Rejects {
    /// Makes the file.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub fn create(path: &str) -> io::Result<Self> {
        let mut out = BufWriter::new(File::create(path)?);
        writeln!(out, "file,line,column,rule,excerpt")?;
        Ok(Self { out })
    }

    /// Writes a row that `file` held.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write(&mut self, file: &str, row: &RejectedRow) -> io::Result<()> {
        field(&mut self.out, file)?;
        write!(self.out, ",{},", row.line)?;
        field(&mut self.out, &row.column)?;
        write!(self.out, ",{},", row.rule)?;
        field(&mut self.out, &row.excerpt)?;
        self.out.write_all(b"\n")
    }

    /// Writes what is left.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}
