mod measure;
mod sdk;
type Failure = Box<dyn std::error::Error + Send + Sync>;
fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    measure::pin(1);
    let (took, check) = sdk::run(&args[1], std::path::Path::new(&args[2]), args.len() > 3)?;
    println!("{}", took.to_json(check));
    Ok(())
}
