//! A query bound to what the connector needs of it: which columns it has, how its times are compared, and the statement of a window.

use async_trait::async_trait;
use injixo_core::model::Window;
use injixo_core::zone::Zone;
use injixo_core::{Error, ErrorKind, Result};

use crate::database::Session;
use crate::dialect::{Dialect, Statement};
use crate::driver::{Column, Kind, Rows};
use crate::query::Query;
use crate::value::{Cell, Moment};
use crate::window::Scale;

/// A column that the connector knows.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Its name, which is compared without case.
    pub name: &'static str,
    /// Whether the query must have it.
    pub is_required: bool,
}

/// The known columns of a query that are there, in the order in which they are selected.
#[derive(Debug, Clone)]
pub struct Bound {
    query: Query,
    /// The columns, those that were wanted and are there.
    pub(crate) columns: Vec<Column>,
    /// Where each wanted column stands among them.
    places: Vec<Option<usize>>,
    scale: Scale,
}

impl Bound {
    /// Binds a query; `wanted[time]` is its time column.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` when the query is not one `SELECT`, lacks a column, or its time column is no time; the errors of the session.
    pub async fn new(session: &mut Session, query: &str, wanted: &[Wanted], time: usize) -> Result<Self> {
        let query = &Query::new(query, session.dialect().lexis())?;
        let found = session.columns(&session.dialect().select("*", query)).await?;
        let (mut columns, mut places, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for wanted in wanted {
            let mut named = found.iter().filter(|column| column.name.eq_ignore_ascii_case(wanted.name));
            match (named.next(), named.next()) {
                (Some(_), Some(_)) => {
                    let message = format!("column {:?} is there twice: leave one of them, or rename it", wanted.name);
                    return Err(Error::new(ErrorKind::ConfigInvalid, message));
                }
                (Some(column), None) => {
                    places.push(Some(columns.len()));
                    columns.push(column.clone());
                }
                (None, _) => {
                    places.push(None);
                    if wanted.is_required {
                        missing.push(wanted.name);
                    }
                }
            }
        }
        if let Some(first) = missing.first() {
            let has: Vec<&str> = found.iter().map(|column| column.name.as_str()).collect();
            let names = missing.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
            let is = if missing.len() == 1 { "column" } else { "columns" };
            let message = format!(
                "{is} {names} missing in the result (it has: {}): name the expression that holds it, … AS {first}",
                has.join(", ")
            );
            return Err(Error::new(ErrorKind::ConfigInvalid, message));
        }
        let place = places.get(time).copied().flatten();
        let Some(column) = place.and_then(|place| columns.get_mut(place)) else {
            return Err(Error::new(ErrorKind::Unexpected, "a query was bound without its time column"));
        };
        let mut style = None;
        if column.kind == Kind::Text {
            match first_value(session, query, column).await? {
                None => style = Moment::parse("1970-01-01 00:00:00").map(|parsed| parsed.1),
                Some(FirstValue::Number) => column.kind = Kind::Int,
                Some(FirstValue::Text(text)) => {
                    let Some((_, found)) = Moment::parse(text.trim()) else {
                        return Err(no_time(column, &format!("its values look like {text:?}")));
                    };
                    style = Some(found);
                }
            }
        }
        let Some(scale) = Scale::of(column.kind, style) else {
            return Err(no_time(column, &format!("its type is {}", column.type_name)));
        };
        Ok(Self { query: query.clone(), columns, places, scale })
    }

    /// Where a wanted column stands among the cells of a row.
    #[inline]
    pub(crate) fn place(&self, wanted: usize) -> Option<usize> {
        self.places.get(wanted).copied().flatten()
    }

    /// Hands over the rows of a [statement](Self::statement).
    ///
    /// # Errors
    ///
    /// Those of [`Session::read`].
    pub async fn read(&self, session: &mut Session, statement: &Statement, rows: &mut dyn Rows) -> Result<()> {
        session.run(statement, &self.columns, rows).await
    }

    /// Whether a wanted column is there.
    #[must_use]
    pub fn has(&self, wanted: usize) -> bool {
        self.place(wanted).is_some()
    }

    /// Where the first wanted columns stand among the cells of a row, as numbers that are too large where the query has none.
    pub(crate) fn first_places<const N: usize>(&self) -> [u8; N] {
        std::array::from_fn(|wanted| self.place(wanted).and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX))
    }

    /// The cell of a wanted column, NULL where the query has no such column.
    #[must_use]
    #[inline]
    pub fn cell<'c>(&self, cells: &[Cell<'c>], wanted: usize) -> Cell<'c> {
        self.place(wanted).and_then(|place| cells.get(place).copied()).unwrap_or(Cell::Null)
    }

    fn select(&self, dialect: Dialect) -> Statement {
        let list: Vec<String> = self.columns.iter().map(|column| dialect.selected(column)).collect();
        dialect.select(&list.join(", "), &self.query)
    }

    /// The statement for the rows whose `time` lies in a window, and those before it that reach into it.
    #[must_use]
    pub fn statement(
        &self,
        dialect: Dialect,
        window: Window,
        zone: &Zone,
        time: usize,
        reach: Option<&Reach>,
    ) -> Statement {
        let mut statement = self.select(dialect);
        let Some(column) = self.place(time).and_then(|place| self.columns.get(place)) else { return statement };
        let time = format!("q.{}", dialect.quoted(&column.name));
        let (from, to) = self.scale.edges(window, zone);
        let first = reach.map_or_else(|| from.clone(), |reach| self.scale.edges(reach.window, zone).0);
        statement.push(&format!(" WHERE {time} >= "));
        statement.push_value(first);
        statement.push(&format!(" AND {time} < "));
        statement.push_value(to);
        let end = reach.and_then(|reach| self.place(reach.end?)).and_then(|place| self.columns.get(place));
        if let Some(end) = end {
            let name = format!("q.{}", dialect.quoted(&end.name));
            statement.push(&format!(" AND ({time} >= "));
            statement.push_value(from);
            statement.push(&format!(" OR {name} IS NULL"));
            if reach.is_some_and(|reach| reach.has_null_dates) {
                statement.push(&format!(" OR {name} < {time}"));
            }
            // An end of another type than the start is looked at when it was read.
            if Scale::of(end.kind, None).or(Some(self.scale)) == Some(self.scale) {
                statement.push(&format!(" OR {name} > "));
                statement.push_value(self.scale.edges(window, zone).0);
            } else {
                statement.push(&format!(" OR {name} IS NOT NULL"));
            }
            statement.text.push(')');
        }
        statement
    }
}

/// How far before a window spans may begin that reach into it, and which column says where they end.
#[derive(Debug, Clone)]
pub struct Reach {
    /// From when on they may begin.
    pub window: Window,
    /// The place of the column among those wanted; without one all that begin early are read.
    pub end: Option<usize>,
    /// Whether a date before the start stands for no end.
    pub has_null_dates: bool,
}

fn no_time(column: &Column, why: &str) -> Error {
    let message = format!(
        "column {:?} is no time ({why}): convert it to a date with a time, to seconds since 1970, or to a text like \
         2024-03-31 02:30:00",
        column.name
    );
    Error::new(ErrorKind::ConfigInvalid, message)
}

enum FirstValue {
    Number,
    Text(String),
}

/// The first value of a column that is not NULL.
async fn first_value(session: &mut Session, query: &Query, column: &Column) -> Result<Option<FirstValue>> {
    #[derive(Default)]
    struct First(Option<FirstValue>);

    #[async_trait]
    impl Rows for First {
        fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
            self.0 = match cells.first() {
                Some(Cell::Text(text)) => Some(FirstValue::Text((*text).to_owned())),
                Some(Cell::Int(_) | Cell::Float(_) | Cell::Micros(_)) => Some(FirstValue::Number),
                _ => None,
            };
            Ok(())
        }

        async fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    let dialect = session.dialect();
    let mut statement = dialect.select(&dialect.selected(column), query);
    statement.push(&format!(" WHERE q.{} IS NOT NULL", dialect.quoted(&column.name)));
    let mut first = First::default();
    session.run(&statement.limited(1), std::slice::from_ref(column), &mut first).await?;
    Ok(first.0)
}
