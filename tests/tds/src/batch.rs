//! Batches: statements one after the other, transactions.

use std::collections::HashMap;
use std::io;

use crate::error::{Outcome, SqlError};
use crate::lexer::{self, Node};
use crate::packet::Reply;
use crate::params::Parameter;
use crate::run::Next;
use crate::server::lock;
use crate::session::Session;
use crate::tokens::{self, DONE_ERROR, DONE_MORE, DoneKind};
use crate::translate::{Translated, Translator, World};
use crate::types::Version;
use crate::wire::{Reader, text};

/// What a statement of a batch is.
enum Step {
    Set(Vec<Node>),
    Begin,
    Commit,
    Rollback,
    Use(String),
    Call(Vec<Node>),
    Run(Box<Translated>),
}

/// Skips the headers before a request.
pub(crate) fn skip_headers(reader: &mut Reader<'_>, version: Version) -> Outcome<()> {
    if version >= Version::V7_2 {
        let length = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
        reader.take(length.checked_sub(4).ok_or_else(|| SqlError::protocol("The headers are too short."))?)?;
    }
    Ok(())
}

impl Session<'_> {
    pub(crate) fn batch(&mut self, data: &[u8], reply: &mut Reply<'_>) -> io::Result<()> {
        let mut reader = Reader::new(data);
        if let Err(error) = skip_headers(&mut reader, self.version) {
            self.ends = true;
            self.failure(&error, DoneKind::Done, reply);
            return Ok(());
        }
        let sql = text(reader.rest());
        lock(&self.inner.statements).push(sql.clone());
        self.text(&sql, &[], reply, DoneKind::Done).map(|_| ())
    }

    /// Runs a text. Each statement ends with a token of a kind; the last one of a batch says that it is.
    pub(crate) fn text(
        &mut self,
        sql: &str,
        parameters: &[Parameter],
        reply: &mut Reply<'_>,
        kind: DoneKind,
    ) -> io::Result<Next> {
        let steps = match self.compile(sql, parameters) {
            Ok(steps) => steps,
            Err(error) => {
                self.last_error = error.number;
                tokens::put_error(&error, "", self.version, &mut reply.buffer);
                let more = if kind == DoneKind::Done { 0 } else { DONE_MORE };
                tokens::put_done(kind, DONE_ERROR | more, 0, 0, self.version, &mut reply.buffer);
                return Ok(Next::Ends);
            }
        };
        let count = steps.len();
        if count == 0 && kind == DoneKind::Done {
            tokens::put_done(kind, 0, 0, 0, self.version, &mut reply.buffer);
        }
        for (index, step) in steps.into_iter().enumerate() {
            let is_last = index + 1 == count && kind == DoneKind::Done;
            let more = if is_last { 0 } else { DONE_MORE };
            let next = match step {
                Step::Run(translated) => self.run(&translated, parameters, reply, kind, more)?,
                Step::Call(nodes) => self.call(&nodes, parameters, reply, more)?,
                other => {
                    let outcome = self.small_step(&other, reply);
                    if let Err(error) = &outcome {
                        tokens::put_error(error, "", self.version, &mut reply.buffer);
                        self.last_error = error.number;
                    }
                    let status = if outcome.is_err() { DONE_ERROR } else { 0 };
                    tokens::put_done(kind, status | more, 0, 0, self.version, &mut reply.buffer);
                    Next::Goes
                }
            };
            if next != Next::Goes {
                return Ok(next);
            }
            if self.control.is_stopped() {
                return Ok(Next::Stopped);
            }
        }
        Ok(Next::Goes)
    }

    /// The statements of a text. What is found wrong before anything runs is an error of the whole text.
    fn compile(&self, sql: &str, parameters: &[Parameter]) -> Outcome<Vec<Step>> {
        let nodes = lexer::tree(lexer::tokens(sql)?)?;
        let statements = lexer::statements(nodes)?;
        let mut steps = Vec::new();
        for (index, nodes) in statements.into_iter().enumerate() {
            let step = self.step(nodes, index == 0, parameters)?;
            if let Step::Run(translated) = &step {
                match self.check(translated) {
                    Err(error) if error.is_of_compilation() => return Err(error),
                    _ => {}
                }
            }
            steps.push(step);
        }
        Ok(steps)
    }

    fn step(&self, nodes: Vec<Node>, is_first: bool, parameters: &[Parameter]) -> Outcome<Step> {
        let first = &nodes[0];
        let second_is_transaction = nodes.get(1).is_some_and(|node| node.is_any(&["TRAN", "TRANSACTION"]));
        let is_short =
            nodes.len() == 1 || nodes.get(1).is_some_and(|node| node.is_any(&["TRAN", "TRANSACTION", "WORK"]));
        if first.is("SET") {
            return Ok(Step::Set(nodes));
        }
        if first.is("BEGIN") && second_is_transaction {
            return Ok(Step::Begin);
        }
        if first.is("COMMIT") && is_short {
            return Ok(Step::Commit);
        }
        if first.is("ROLLBACK") && is_short {
            return Ok(Step::Rollback);
        }
        if first.is("USE") {
            return match nodes.get(1).and_then(Node::name) {
                Some(name) if nodes.len() == 2 => Ok(Step::Use(name.to_owned())),
                _ => Err(SqlError::near("USE", first.line())),
            };
        }
        if first.is_any(&["EXEC", "EXECUTE"]) {
            return Ok(Step::Call(nodes[1..].to_vec()));
        }
        if is_first && first.name().is_some() {
            return Ok(Step::Call(nodes));
        }
        if !is_first && first.is("WITH") {
            return Err(SqlError::near("WITH", first.line()));
        }
        self.translate(&nodes, parameters).map(|translated| Step::Run(Box::new(translated)))
    }

    pub(crate) fn translate(&self, nodes: &[Node], parameters: &[Parameter]) -> Outcome<Translated> {
        let known: HashMap<_, _> =
            parameters.iter().map(|parameter| (parameter.name.to_ascii_lowercase(), parameter.kind)).collect();
        let columns = |sql: &str| {
            let names = self
                .connection
                .prepare(sql)
                .ok()
                .map(|statement| statement.column_names().into_iter().map(str::to_owned).collect());
            lock(&self.denied).take();
            names
        };
        let constants = |name: &str| self.constant(name);
        let world = World {
            columns: &columns,
            databases: &self.inner.options.databases,
            schemas: &self.inner.options.schemas,
            parameters: &known,
            constants: &constants,
        };
        Translator::statement(&world, nodes)
    }

    fn small_step(&mut self, step: &Step, reply: &mut Reply<'_>) -> Outcome<()> {
        match step {
            Step::Set(nodes) => self.set(nodes),
            Step::Begin => self.begun(reply),
            Step::Commit => self.committed(reply),
            Step::Rollback => self.undone(reply),
            Step::Use(name) => {
                let known = self.inner.options.databases.iter().find(|known| known.eq_ignore_ascii_case(name));
                let Some(known) = known else {
                    let message =
                        format!("Database '{name}' does not exist. Make sure that the name is entered correctly.");
                    return Err(SqlError::new(911, 16, message, 1));
                };
                tokens::put_change(1, known, &self.database, &mut reply.buffer);
                let message = format!("Changed database context to '{known}'.");
                tokens::put_info(5701, &message, self.version, &mut reply.buffer);
                self.database.clone_from(known);
                Ok(())
            }
            Step::Call(_) | Step::Run(_) => Ok(()),
        }
    }

    fn begun(&mut self, reply: &mut Reply<'_>) -> Outcome<()> {
        if self.depth == 0 {
            self.plain("BEGIN")?;
            self.transaction += 1;
            tokens::put_change_bytes(8, &self.transaction.to_le_bytes(), &[], &mut reply.buffer);
        }
        self.depth += 1;
        Ok(())
    }

    fn committed(&mut self, reply: &mut Reply<'_>) -> Outcome<()> {
        match self.depth {
            0 => {
                let message = "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.";
                Err(SqlError::new(3902, 16, message, 1))
            }
            1 => {
                self.plain("COMMIT")?;
                self.depth = 0;
                tokens::put_change_bytes(9, &[], &self.transaction.to_le_bytes(), &mut reply.buffer);
                Ok(())
            }
            _ => {
                self.depth -= 1;
                Ok(())
            }
        }
    }

    fn undone(&mut self, reply: &mut Reply<'_>) -> Outcome<()> {
        if self.depth == 0 {
            let message = "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.";
            return Err(SqlError::new(3903, 16, message, 1));
        }
        self.rolled_back()?;
        tokens::put_change_bytes(10, &[], &self.transaction.to_le_bytes(), &mut reply.buffer);
        Ok(())
    }

    pub(crate) fn rolled_back(&mut self) -> Outcome<()> {
        if self.depth > 0 {
            self.depth = 0;
            self.plain("ROLLBACK")?;
        }
        Ok(())
    }

    fn plain(&self, sql: &str) -> Outcome<()> {
        self.connection.execute_batch(sql).map_err(|error| SqlError::beyond(&error.to_string(), 1))
    }

    /// A request of the transaction manager.
    pub(crate) fn transaction_request(&mut self, data: &[u8], reply: &mut Reply<'_>) -> io::Result<()> {
        let mut reader = Reader::new(data);
        let kind = skip_headers(&mut reader, self.version).and_then(|()| reader.u16());
        let outcome = match kind {
            Ok(5) => self.begun(reply),
            Ok(7) => self.committed(reply),
            Ok(8) => self.undone(reply),
            Ok(_) => Err(SqlError::beyond("this request to the transaction manager", 1)),
            Err(error) => {
                self.ends = true;
                Err(error)
            }
        };
        match outcome {
            Ok(()) => tokens::put_done(DoneKind::Done, 0, 0, 0, self.version, &mut reply.buffer),
            Err(error) => self.failure(&error, DoneKind::Done, reply),
        }
        Ok(())
    }
}
