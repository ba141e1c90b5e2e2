//! Calls of procedures, by RPC and by EXEC.

use std::io;

use rusqlite::types::{Value, ValueRef};

use crate::batch::skip_headers;
use crate::describe::described;
use crate::emit::written_type;
use crate::error::{Outcome, SqlError};
use crate::lexer::{self, Kind, Node, commas};
use crate::packet::Reply;
use crate::params::{self, Parameter};
use crate::run::{Next, bind, describe_with_first, put_row};
use crate::server::lock;
use crate::session::Session;
use crate::sqlite;
use crate::tokens::{self, DONE_COUNT, DONE_ERROR, DONE_MORE, DoneKind};
use crate::translate::{Verb, path_length, path_parts};
use crate::types::{Column, Type, Version, put_columns};
use crate::wire::{Reader, text};

impl Session<'_> {
    /// An RPC request: one call or more.
    pub(crate) fn procedure(&mut self, data: &[u8], reply: &mut Reply<'_>) -> io::Result<()> {
        let mut reader = Reader::new(data);
        let mut headers = skip_headers(&mut reader, self.version);
        loop {
            let call = headers.and_then(|()| self.read_call(&mut reader));
            headers = Ok(());
            match call {
                Ok((name, parameters)) => {
                    let more = if reader.is_empty() { 0 } else { DONE_MORE };
                    if self.named(&name, parameters, reply, more)? == Next::Stopped || more == 0 {
                        return Ok(());
                    }
                }
                Err(error) => {
                    self.ends = true;
                    self.failure(&error, DoneKind::Done, reply);
                    return Ok(());
                }
            }
        }
    }

    fn read_call(&self, reader: &mut Reader<'_>) -> Outcome<(String, Vec<Parameter>)> {
        let letters = reader.u16()?;
        let name = if letters == u16::MAX {
            match reader.u16()? {
                10 => "sp_executesql".to_owned(),
                11 => "sp_prepare".to_owned(),
                12 => "sp_execute".to_owned(),
                13 => "sp_prepexec".to_owned(),
                15 => "sp_unprepare".to_owned(),
                other => format!("procedure {other}"),
            }
        } else {
            text(reader.take(usize::from(letters) * 2)?)
        };
        reader.u16()?;
        let mut parameters = Vec::new();
        while let Some(next) = reader.peek() {
            let is_end = if self.version >= Version::V7_2 { next >= 0xFE } else { next == 0x80 };
            if is_end {
                reader.u8()?;
                break;
            }
            parameters.push(params::read(reader, self.version)?);
        }
        Ok((name, parameters))
    }

    /// `EXEC name arguments` in a batch.
    pub(crate) fn call(
        &mut self,
        nodes: &[Node],
        variables: &[Parameter],
        reply: &mut Reply<'_>,
        more: u16,
    ) -> io::Result<Next> {
        match arguments(nodes, variables) {
            Ok((name, parameters)) => self.named(&name, parameters, reply, more),
            Err(error) => {
                self.failure(&error, DoneKind::Done, reply);
                Ok(Next::Ends)
            }
        }
    }

    /// Calls a procedure by its name.
    fn named(
        &mut self,
        name: &str,
        mut parameters: Vec<Parameter>,
        reply: &mut Reply<'_>,
        more: u16,
    ) -> io::Result<Next> {
        let bare = name.rsplit('.').next().unwrap_or(name).trim_matches(['[', ']']).to_ascii_lowercase();
        let mut handle = None;
        let missing = || SqlError::new(214, 16, format!("Procedure expects parameter of type int or text: {name}."), 1);
        let outcome: Outcome<Option<(String, Vec<Parameter>)>> = match bare.as_str() {
            "sp_executesql" => self.text_call(&mut parameters).map(Some),
            "sp_prepexec" | "sp_prepare" if parameters.len() >= 3 => {
                let declared = parameters[1].text().unwrap_or_default();
                let sql = parameters[2].text().unwrap_or_default();
                let number = self.next_handle;
                self.next_handle += 1;
                self.prepared.insert(number, (sql.clone(), declared.clone()));
                handle = Some(number);
                if bare == "sp_prepare" {
                    lock(&self.inner.statements).push(sql);
                    Ok(None)
                } else {
                    self.declared(&declared, parameters.split_off(3)).map(|values| Some((sql, values)))
                }
            }
            "sp_execute" if !parameters.is_empty() => {
                let number = parameters[0].int();
                match number.and_then(|number| self.prepared.get(&number).cloned()) {
                    Some((sql, declared)) => {
                        self.declared(&declared, parameters.split_off(1)).map(|values| Some((sql, values)))
                    }
                    None => {
                        let number = number.unwrap_or_default();
                        let message = format!("Could not find prepared statement with handle {number}.");
                        Err(SqlError::new(8179, 16, message, 1))
                    }
                }
            }
            "sp_unprepare" if !parameters.is_empty() => {
                if let Some(number) = parameters[0].int() {
                    self.prepared.remove(&number);
                }
                Ok(None)
            }
            "sp_describe_first_result_set" => {
                lock(&self.inner.statements).push(name.to_owned());
                let outcome = self.described_call(&parameters, reply);
                outcome.map(|()| None)
            }
            "sp_executesql_" | "sp_prepexec" | "sp_prepare" | "sp_execute" | "sp_unprepare" => Err(missing()),
            _ => {
                lock(&self.inner.statements).push(name.to_owned());
                Err(SqlError::new(2812, 16, format!("Could not find stored procedure '{name}'."), 1))
            }
        };
        let mut next = Next::Goes;
        let mut failed = false;
        match outcome {
            Ok(None) => {}
            Ok(Some((sql, values))) => {
                lock(&self.inner.statements).push(sql.clone());
                self.last_error = 0;
                next = self.text(&sql, &values, reply, DoneKind::InProcedure)?;
                failed = self.last_error != 0;
                if next == Next::Stopped {
                    return Ok(next);
                }
            }
            Err(error) => {
                self.last_error = error.number;
                tokens::put_error(&error, name, self.version, &mut reply.buffer);
                if bare == "sp_describe_first_result_set" && error.number != 201 {
                    let message = "The batch could not be analyzed because of compile errors.";
                    let more = SqlError { state: 2, ..SqlError::new(11501, 16, message, 1) };
                    tokens::put_error(&more, name, self.version, &mut reply.buffer);
                }
                failed = true;
            }
        }
        let status = if failed { i32::try_from(self.last_error).unwrap_or(1) } else { 0 };
        tokens::put_return_status(status, &mut reply.buffer);
        if let Some(handle) = handle {
            let name = parameters.first().map_or(String::new(), |parameter| parameter.name.clone());
            tokens::put_return_int(0, &name, Some(handle), self.version, &mut reply.buffer);
        }
        let status = more | if failed { DONE_ERROR } else { 0 };
        tokens::put_done(DoneKind::Procedure, status, 0xE0, 0, self.version, &mut reply.buffer);
        Ok(if next == Next::Ends { Next::Goes } else { next })
    }

    /// The text and the values of `sp_executesql`.
    fn text_call(&self, parameters: &mut Vec<Parameter>) -> Outcome<(String, Vec<Parameter>)> {
        let wrong = |name: &str| {
            let message = format!("Procedure expects parameter '{name}' of type 'ntext/nchar/nvarchar'.");
            SqlError::new(214, 16, message, 1)
        };
        let sql = parameters.first().and_then(Parameter::text).ok_or_else(|| wrong("@statement"))?;
        if parameters.len() < 2 {
            return Ok((sql, Vec::new()));
        }
        let declared = parameters[1].text().unwrap_or_default();
        let values = self.declared(&declared, parameters.split_off(2))?;
        Ok((sql, values))
    }

    /// Values with the names and types that a text declares: `@P1 int, @P2 nvarchar(20)`.
    fn declared(&self, declared: &str, mut values: Vec<Parameter>) -> Outcome<Vec<Parameter>> {
        let nodes = lexer::tree(lexer::tokens(declared)?)?;
        if nodes.is_empty() {
            return Ok(Vec::new());
        }
        let mut named = Vec::new();
        for (index, part) in commas(&nodes).into_iter().enumerate() {
            let Some(Node::Token(token)) =
                part.first().filter(|node| matches!(node, Node::Token(token) if token.kind == Kind::Variable))
            else {
                return Err(part.first().map_or_else(|| SqlError::near(",", 1), Node::unexpected));
            };
            let end = part.iter().position(|node| node.is_any(&["OUTPUT", "OUT", "READONLY"])).unwrap_or(part.len());
            let start = 1 + usize::from(part.get(1).is_some_and(|node| node.is("AS")));
            let written = written_type(part.get(start..end).unwrap_or_default());
            let kind = Type::parse(&written).ok_or_else(|| {
                let message =
                    format!("Column, parameter, or variable #{}: Cannot find data type {written}.", index + 1);
                SqlError::new(2715, 16, message, 1)
            })?;
            let by_name = values.iter().position(|value| value.name.eq_ignore_ascii_case(&token.text));
            let at = by_name.or_else(|| values.iter().position(|value| value.name.is_empty()));
            let Some(at) = at else {
                let message = format!(
                    "The parameterized query '({declared})' expects the parameter '{}', which was not supplied.",
                    token.text
                );
                return Err(SqlError::new(8178, 16, message, 1));
            };
            let mut value = values.remove(at);
            if value.kind != kind && value.value != Value::Null && !(kind.is_text() && value.kind.is_text()) {
                value.value = crate::functions::converted(ValueRef::from(&value.value), kind, 0)?;
            }
            value.kind = kind;
            value.name = token.text.to_ascii_lowercase();
            named.push(value);
        }
        if let Some(more) = values.first() {
            let message = format!("'{}' is not a parameter of the parameterized query.", more.name);
            return Err(SqlError::new(8145, 16, message, 1));
        }
        Ok(named)
    }

    /// `sp_describe_first_result_set @tsql, @params, @browse_information_mode`.
    fn described_call(&self, parameters: &[Parameter], reply: &mut Reply<'_>) -> Outcome<()> {
        let find = |name: &str, at: usize| {
            let by_name = parameters.iter().find(|parameter| parameter.name.eq_ignore_ascii_case(name));
            by_name
                .or_else(|| parameters.get(at).filter(|parameter| parameter.name.is_empty()))
                .and_then(Parameter::text)
        };
        let sql = find("@tsql", 0).ok_or_else(|| {
            let message = "Procedure or function 'sp_describe_first_result_set' expects parameter '@tsql', which was \
                not supplied.";
            SqlError::new(201, 16, message, 1)
        })?;
        lock(&self.inner.statements).push(sql.clone());
        let values = find("@params", 1).unwrap_or_default();
        let values = self.undefined(&values)?;
        let mut columns: Vec<Column> = Vec::new();
        for nodes in lexer::statements(lexer::tree(lexer::tokens(&sql)?)?)? {
            if nodes[0].is_any(&["SET", "USE", "BEGIN", "COMMIT", "ROLLBACK"]) {
                continue;
            }
            if nodes[0].is_any(&["EXEC", "EXECUTE"]) || nodes[0].name().is_some() {
                return Err(SqlError::beyond("a description of what a procedure gives", nodes[0].line()));
            }
            let translated = self.translate(&nodes, &values)?;
            self.check(&translated)?;
            if translated.verb == Verb::Select && columns.is_empty() {
                let fail = |error| sqlite::error(&error, &self.denied, &translated, &self.database);
                let mut statement = self.connection.prepare(&translated.sql).map_err(fail)?;
                bind(&mut statement, &values).map_err(fail)?;
                columns = match self.is_bounded(&translated.sql) {
                    true => describe_with_first(&self.connection, &mut statement, &translated).map_err(fail)?,
                    false => crate::describe::columns(&self.connection, &statement, &translated, &|_| None),
                };
            }
        }
        let (shape, rows) = described(&columns);
        put_columns(&shape, self.version, &mut reply.buffer);
        let count = rows.len();
        for row in rows {
            let cells: Vec<ValueRef<'_>> = row.iter().map(ValueRef::from).collect();
            put_row(&shape, &cells, self.version, &mut reply.buffer)?;
        }
        let count = u64::try_from(count).unwrap_or_default();
        tokens::put_done(DoneKind::InProcedure, DONE_COUNT | DONE_MORE, 0xC1, count, self.version, &mut reply.buffer);
        Ok(())
    }

    /// Whether the first row of a query may be looked at: one that refers to itself may not end.
    fn is_bounded(&self, sql: &str) -> bool {
        !sql.contains("tds_depth") && !sql.contains('@')
    }

    /// Parameters of which only the types are known.
    fn undefined(&self, declared: &str) -> Outcome<Vec<Parameter>> {
        let nodes = lexer::tree(lexer::tokens(declared)?)?;
        if nodes.is_empty() {
            return Ok(Vec::new());
        }
        let none =
            commas(&nodes).into_iter().map(|_| Parameter { name: String::new(), kind: Type::Int, value: Value::Null });
        self.declared(declared, none.collect())
    }
}

/// The name and the arguments of a call: `name @a = 1, N'text', @variable`.
fn arguments(nodes: &[Node], variables: &[Parameter]) -> Outcome<(String, Vec<Parameter>)> {
    let length = path_length(nodes);
    if length == 0 {
        return Err(nodes.first().map_or_else(|| SqlError::near("EXEC", 1), Node::unexpected));
    }
    let name = path_parts(&nodes[..length]).join(".");
    let rest = &nodes[length..];
    let mut parameters = Vec::new();
    let parts = if rest.is_empty() { Vec::new() } else { commas(rest) };
    for part in parts {
        if part.is_empty() {
            return Err(SqlError::near(",", rest[0].line()));
        }
        let is_named = part.len() > 1 && part[1].is_symbol("=");
        let given = match &part[0] {
            Node::Token(token) if is_named && token.kind == Kind::Variable => token.text.clone(),
            _ => String::new(),
        };
        let (is_negative, value) = match if is_named { &part[2..] } else { part } {
            [value] => (false, value),
            [sign, value] if sign.is_symbol("-") => (true, value),
            [_, other, ..] => return Err(other.unexpected()),
            [] => return Err(SqlError::near("=", part[0].line())),
        };
        let Node::Token(token) = value else { return Err(value.unexpected()) };
        let (kind, value) = match token.kind {
            Kind::Text => (Type::NVarCharMax, Value::Text(token.text.clone())),
            Kind::Variable => {
                let variable = variables.iter().find(|variable| variable.name.eq_ignore_ascii_case(&token.text));
                let variable = variable.ok_or_else(|| {
                    let message = format!("Must declare the scalar variable \"{}\".", token.text);
                    SqlError::new(137, 15, message, token.line)
                })?;
                (variable.kind, variable.value.clone())
            }
            Kind::Number => match token.text.parse::<i64>() {
                Ok(number) => (Type::BigInt, Value::Integer(if is_negative { -number } else { number })),
                Err(_) => (Type::Float, token.text.parse().map_or(Value::Null, Value::Real)),
            },
            Kind::Word if value.is("NULL") => (Type::Int, Value::Null),
            _ => return Err(value.unexpected()),
        };
        parameters.push(Parameter { name: given, kind, value });
    }
    Ok((name, parameters))
}
