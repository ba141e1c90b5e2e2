//! Prints the SQL script of a stand-in, tables and rows.
//!
//! Run with: `cargo run --release -p injixo-test-databases -- engage --dialect postgres --days 30 | psql my_database`

use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use injixo_test_databases::{Case, Dialect, Names, Size, engage, sikom};

const USAGE: &str = "\
usage: database_standin engage|sikom --dialect postgres|mysql|sqlite [options]

  --sample                the few rows that can be checked by hand, in place of generated ones
  --seed N                another seed, another world (1)
  --days N                how many days (3)
  --first-day SECONDS     an instant of the first day, in seconds since 1970 (1709251200)
  --contacts-per-day N    how many customers come on a day (300)
  --queues N              how many queues (8)
  --agents N              how many agents (12)
  --steps N               also the first changes after the rows, each in a transaction (0)
  --schema NAME           make the tables in a schema
  --prefix LETTERS        let the names of tables begin with these letters
  --upper                 names in upper case
";

/// What is asked for.
struct Task {
    engage: bool,
    dialect: Dialect,
    names: Names,
    sample: bool,
    seed: u64,
    size: Size,
    steps: usize,
}

fn main() -> ExitCode {
    let task = match Task::parse(std::env::args().skip(1)) {
        Ok(task) => task,
        Err(problem) => {
            eprintln!("{problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut out = BufWriter::new(io::stdout().lock());
    match task.print(&mut out).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads may have had enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

impl Task {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = arguments;
        let engage = match arguments.next().as_deref() {
            Some("engage") => true,
            Some("sikom") => false,
            _ => return Err("say engage or sikom first".to_owned()),
        };
        let mut dialect = None;
        let mut task = Self {
            engage,
            dialect: Dialect::Sqlite,
            names: Names::default(),
            sample: false,
            seed: 1,
            size: Size::default(),
            steps: 0,
        };
        while let Some(option) = arguments.next() {
            match option.as_str() {
                "--sample" => task.sample = true,
                "--upper" => task.names = task.names.case(Case::Upper),
                _ => {
                    let value = arguments.next().ok_or_else(|| format!("{option} is not known, or needs a value"))?;
                    match option.as_str() {
                        "--dialect" => dialect = Some(dialect_of(&value)?),
                        "--seed" => task.seed = number(&option, &value)?,
                        "--days" => task.size.days = number(&option, &value)?,
                        "--first-day" => task.size.first_day = number(&option, &value)?,
                        "--contacts-per-day" => task.size.contacts_per_day = number(&option, &value)?,
                        "--queues" => task.size.queues = number(&option, &value)?,
                        "--agents" => task.size.agents = number(&option, &value)?,
                        "--steps" => task.steps = number(&option, &value)?,
                        "--schema" => task.names = task.names.in_schema(&value),
                        "--prefix" => task.names = task.names.prefix(&value),
                        _ => return Err(format!("{option} is not known")),
                    }
                }
            }
        }
        if task.size.days == 0 || task.size.queues == 0 || task.size.agents == 0 {
            return Err("there must be a day, a queue and an agent".to_owned());
        }
        task.dialect = dialect.ok_or("say --dialect postgres, mysql or sqlite")?;
        Ok(task)
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let (dialect, names) = (self.dialect, &self.names);
        let schema = if self.engage { engage::schema(dialect, names) } else { sikom::schema(dialect, names) };
        self.transaction(schema, out)?;
        if self.sample {
            let sample = if self.engage { engage::sample() } else { sikom::sample() };
            return self.transaction(sample.load(dialect, names), out);
        }
        let steps = if self.engage {
            let world = engage::World::new(self.seed, self.size);
            self.transaction(world.load(dialect, names), out)?;
            world.steps(self.steps)
        } else {
            let world = sikom::World::new(self.seed, self.size);
            self.transaction(world.load(dialect, names), out)?;
            world.steps(self.steps)
        };
        steps.iter().try_for_each(|step| self.transaction(step.sql(dialect, names), out))
    }

    fn transaction(&self, statements: impl IntoIterator<Item = String>, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "BEGIN;")?;
        for statement in statements {
            writeln!(out, "{statement};")?;
        }
        writeln!(out, "COMMIT;")
    }
}

fn dialect_of(name: &str) -> Result<Dialect, String> {
    match name {
        "postgres" => Ok(Dialect::Postgres),
        "mysql" | "mariadb" => Ok(Dialect::MySql),
        "sqlite" => Ok(Dialect::Sqlite),
        _ => Err(format!("--dialect {name} is not known, say postgres, mysql or sqlite")),
    }
}

fn number<T: std::str::FromStr>(option: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{option} {value} is not a number that fits"))
}
