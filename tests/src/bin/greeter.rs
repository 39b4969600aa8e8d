//! A program with flags of its own, for the tests of the command line.

use jointlambda::prelude::*;

/// Who is greeted, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Greeting {
    name: String,
    times: usize,
}

/// The program's flags.
#[derive(clap::Args)]
struct Flags {
    /// Who is greeted
    #[arg(long)]
    name: String,
    /// How often
    #[arg(long, default_value_t = 1)]
    times: usize,
}

impl TryFrom<Flags> for Greeting {
    type Error = Error;

    fn try_from(Flags { name, times }: Flags) -> Result<Greeting> {
        if times > 100 {
            return Err(Error::new(format!("{times} greetings are too many")));
        }
        Ok(Greeting { name, times })
    }
}

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    /// Greets.
    #[workflow]
    pub async fn greeter(greeting: Greeting) -> String {
        greet(greeting).await
    }

    #[function(on = AWS)]
    async fn greet(greeting: Greeting) -> String {
        vec![format!("hello {}", greeting.name); greeting.times].join(", ")
    }
}

jointlambda::main!(Greeter, Flags);
