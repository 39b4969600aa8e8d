//! Measures how long a program for Lambda takes from its start until it asks for its first event:
//! what of a cold start is the program's own. `first-poll PROGRAM…` prints a median for each.

use std::{
    env,
    io::Read as _,
    net::{Ipv4Addr, TcpListener},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

/// How often each program is started.
const STARTS: usize = 101;

fn main() -> ExitCode {
    let programs: Vec<String> = env::args().skip(1).collect();
    if programs.is_empty() {
        eprintln!("error: no program is named: first-poll PROGRAM…");
        return ExitCode::from(2);
    }
    for program in programs {
        match median(&program) {
            Ok(median) => println!("{:>8.2} ms  {program}", median.as_secs_f64() * 1_000.0),
            Err(why) => {
                eprintln!("error: {program}: {why}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn median(program: &str) -> std::io::Result<Duration> {
    let mut all = (0..STARTS).map(|_| once(program)).collect::<Result<Vec<_>, _>>()?;
    all.sort_unstable();
    Ok(all[STARTS / 2])
}

/// One start. The program is ended once it has asked.
fn once(program: &str) -> std::io::Result<Duration> {
    let platform = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut command = Command::new(program);
    command.env("AWS_LAMBDA_RUNTIME_API", platform.local_addr()?.to_string());
    command.envs([
        ("AWS_LAMBDA_FUNCTION_NAME", "measured"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "group"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "stream"),
    ]);
    let began = Instant::now();
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::inherit()).spawn()?;
    let asked = asked(&platform, &mut child);
    let taken = began.elapsed();
    child.kill()?;
    child.wait()?;
    asked.map(|()| taken)
}

fn asked(platform: &TcpListener, child: &mut std::process::Child) -> std::io::Result<()> {
    platform.set_nonblocking(true)?;
    loop {
        match platform.accept() {
            Ok((mut stream, _)) => {
                stream.set_nonblocking(false)?;
                return stream.read_exact(&mut [0; 4]);
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if let Some(status) = child.try_wait()? {
            return Err(std::io::Error::other(format!("it ended without asking: {status}")));
        }
        std::thread::sleep(Duration::from_micros(20));
    }
}
