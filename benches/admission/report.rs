//! Rounds, medians and the table.

use crate::bodies::{self, Body};
use crate::client::Client;
use crate::process::Server;
use crate::world::{self, Files};
use crate::{definitions, peers, settings};
use anyhow::{Context, ensure};
use serde_json::Value;
use std::env;
use std::process::Command;
use std::time::{Duration, Instant};

/// How often each server has its turn, if `HATCHWAY_BENCH_ROUNDS` does not say.
const ROUNDS: usize = 5;
/// New connections in a turn.
const HANDSHAKES: usize = 800;
/// The ratio of a handshake's cost to the echo's that is allowed.
const HANDSHAKE_GOAL: f64 = 1.1;
/// Memory after bodies of 1 MB, in MiB.
const RSS_GOAL: f64 = 48.0;

const OURS: &str = "hatchway";

/// Measures all whose name has one of `words`, or all.
pub fn run(words: &[&str]) -> anyhow::Result<()> {
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));
    let folder = tempfile::tempdir()?;
    let files = world::write(folder.path())?;
    let client = Client::new(&files.tls.join("tls.crt"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let rounds = match env::var("HATCHWAY_BENCH_ROUNDS") {
        Ok(text) => text.parse().context("HATCHWAY_BENCH_ROUNDS is not a count")?,
        Err(_) => ROUNDS,
    };
    let servers = servers(&files)?;
    let mut goals = Vec::new();
    println!(
        "{rounds} rounds, each server in its turn; CPU of the server alone; a schema of {} lines\n",
        settings::schema_lines()
    );
    println!(
        "| review | bytes | server | CPU µs | least–most | to parse | per second | p50 µs | p99 µs | RSS MiB |"
    );
    println!("|---|--:|---|--:|--:|--:|--:|--:|--:|--:|");
    let small = bodies::small();
    for body in bodies::all().into_iter().filter(|body| wanted(body.name)) {
        let taking_part: Vec<&Server> = servers
            .iter()
            .filter(|server| takes_part(server.name, &body))
            .collect();
        let figures = runtime.block_on(review(&client, &body, &small, &taking_part, rounds))?;
        let cpu = |name: &str| {
            figures
                .iter()
                .find(|figure| figure.name == name)
                .map(|figure| figure.cpu.median())
        };
        let parse = cpu("parse").unwrap_or(f64::NAN);
        for figure in &figures {
            println!(
                "| {} | {} | {} | {:.1} | {:.1}–{:.1} | {:.2} | {:.0} | {:.0} | {:.0} | {:.0} |",
                body.name,
                body.bytes.len(),
                figure.name,
                figure.cpu.median(),
                figure.cpu.least(),
                figure.cpu.most(),
                figure.cpu.median() / parse,
                figure.rate.median(),
                figure.p50.median(),
                figure.p99.median(),
                figure.rss
            );
        }
        for goal in body.goals {
            if let (Some(ours), Some(peer)) = (cpu(OURS), cpu(goal.peer)) {
                goals.push((
                    format!("{}: CPU to {}", body.name, goal.peer),
                    ours / peer,
                    goal.ratio,
                ));
            }
        }
        if let Some(ours) = figures
            .iter()
            .find(|figure| figure.name == OURS && body.name.contains("1M"))
        {
            goals.push((format!("{}: RSS in MiB", body.name), ours.rss, RSS_GOAL));
        }
    }
    if wanted("handshake") {
        goals.push((
            "a new connection: CPU to echo".to_owned(),
            runtime.block_on(handshakes(&client, &servers, rounds))?,
            HANDSHAKE_GOAL,
        ));
    }
    if wanted("definitions") {
        let (seconds, kibibytes) = definitions::measure()?;
        println!(
            "\n{} definitions load in {seconds:.2} s on one core and take {kibibytes:.0} KiB each.",
            definitions::COUNT
        );
        goals.push((
            format!("{} definitions: seconds", definitions::COUNT),
            seconds,
            1.0,
        ));
    }
    println!("\n| goal | at most | measured | |\n|---|--:|--:|---|");
    for (what, measured, limit) in goals {
        let met = if measured <= limit { "met" } else { "**missed**" };
        println!("| {what} | {limit:.3} | {measured:.3} | {met} |");
    }
    Ok(())
}

fn servers(files: &Files) -> anyhow::Result<Vec<Server>> {
    let hatchway = |name, binary: &str| {
        Server::start(
            name,
            Command::new(binary)
                .args([
                    "serve",
                    "--https-addr",
                    "127.0.0.1:0",
                    "--ops-addr",
                    "127.0.0.1:0",
                    "--standalone",
                ])
                .arg(&files.folder)
                .arg("--tls-dir")
                .arg(&files.tls),
        )
    };
    let peer = |name| {
        Server::start(
            name,
            Command::new(env::current_exe()?)
                .args([peers::ROLE, name])
                .arg(&files.tls),
        )
    };
    let binary =
        env::var("HATCHWAY_BENCH_BINARY").context("HATCHWAY_BENCH_BINARY does not say which server")?;
    let mut servers = vec![hatchway(OURS, &binary)?];
    // Another build, to compare with.
    if let Ok(binary) = env::var("HATCHWAY_BENCH_OTHER") {
        servers.push(hatchway("other", &binary)?);
    }
    servers.push(peer("echo")?);
    servers.push(peer("parse")?);
    match env::var("HATCHWAY_BENCH_CONTROLLER_RUNTIME") {
        Ok(binary) => {
            let go = |name, schema: &str| {
                let mut command = Command::new(&binary);
                command
                    .arg("--certificate")
                    .arg(files.tls.join("tls.crt"))
                    .arg("--key")
                    .arg(files.tls.join("tls.key"));
                Server::start(name, command.arg("--objects").arg(&files.objects).arg(schema))
            };
            servers.push(go("go", "--schema=false")?);
            servers.push(go("go+schema", "--schema=true")?);
        }
        Err(_) => println!(
            "Without the controller-runtime webhook: HATCHWAY_BENCH_CONTROLLER_RUNTIME is not set.\n"
        ),
    }
    Ok(servers)
}

fn takes_part(server: &str, body: &Body) -> bool {
    !server.starts_with("go") || body.goals.iter().any(|goal| goal.peer == server)
}

/// Figures of one server for one review.
struct Figures {
    name: &'static str,
    cpu: Sample,
    rate: Sample,
    p50: Sample,
    p99: Sample,
    rss: f64,
}

/// One number per round.
#[derive(Default)]
struct Sample(Vec<f64>);

impl Sample {
    fn add(&mut self, value: f64) {
        let at = self.0.partition_point(|other| *other < value);
        self.0.insert(at, value);
    }

    fn median(&self) -> f64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn least(&self) -> f64 {
        self.0.first().copied().unwrap_or(f64::NAN)
    }

    fn most(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }
}

async fn review(
    client: &Client,
    body: &Body,
    small: &[u8],
    servers: &[&Server],
    rounds: usize,
) -> anyhow::Result<Vec<Figures>> {
    let mut figures = Vec::new();
    let mut counts = Vec::new();
    for server in servers {
        let answer = client.ask(&server.address, "/validate", &body.bytes).await?;
        if server.name != "echo" {
            let answer: Value = serde_json::from_slice(&answer)?;
            ensure!(
                answer["response"]["allowed"] == true,
                "{} refuses '{}': {answer}",
                server.name,
                body.name
            );
            ensure!(
                answer["response"]["auditAnnotations"]["hatchway.decision"] != "skipped"
                    || body.name.contains("same")
                    || body.name.contains("release"),
                "'{}' is not judged: {answer}",
                body.name
            );
        }
        counts.push(calibrate(client, body, server).await?);
        figures.push(Figures {
            name: server.name,
            cpu: Sample::default(),
            rate: Sample::default(),
            p50: Sample::default(),
            p99: Sample::default(),
            rss: 0.0,
        });
    }
    for _ in 0..rounds {
        for ((server, figure), count) in servers.iter().zip(&mut figures).zip(&counts) {
            let (before, started) = (server.cpu()?, Instant::now());
            let mut times = client
                .load(&server.address, "/validate", &body.bytes, *count)
                .await?;
            let (elapsed, cpu) = (started.elapsed(), server.cpu()?.saturating_sub(before));
            times.sort_unstable();
            let micros = |at: usize| times.get(at).copied().unwrap_or_default().as_secs_f64() * 1e6;
            figure.cpu.add(cpu.as_secs_f64() * 1e6 / times.len() as f64);
            figure.rate.add(times.len() as f64 / elapsed.as_secs_f64());
            figure.p50.add(micros(times.len() / 2));
            figure.p99.add(micros(times.len() * 99 / 100));
        }
    }
    // The allocator gives back what was not used for a second, when it is called the next time.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    for (server, figure) in servers.iter().zip(&mut figures) {
        client.load(&server.address, "/validate", small, 1_000).await?;
        figure.rss = server.rss()?;
    }
    Ok(figures)
}

/// How many reviews make a turn of half a second or so; also the warm-up.
async fn calibrate(client: &Client, body: &Body, server: &Server) -> anyhow::Result<usize> {
    const TURN: Duration = Duration::from_millis(600);
    let count = (8_000_000 / body.bytes.len()).clamp(50, 2_000);
    let before = server.cpu()?;
    client
        .load(&server.address, "/validate", &body.bytes, count)
        .await?;
    let each = server.cpu()?.saturating_sub(before).as_secs_f64().max(0.005) / count as f64;
    let turn = TURN.as_secs_f64() / each;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small positive count"
    )]
    let turn = turn as usize;
    Ok(turn.clamp(50, 60_000))
}

/// Prints what a new connection costs, and returns the ratio to the echo's.
async fn handshakes(client: &Client, servers: &[Server], rounds: usize) -> anyhow::Result<f64> {
    let mut samples: Vec<Sample> = servers.iter().map(|_| Sample::default()).collect();
    for _ in 0..rounds {
        for (server, sample) in servers.iter().zip(&mut samples) {
            let before = server.cpu()?;
            client.handshakes(&server.address, HANDSHAKES).await?;
            sample.add(server.cpu()?.saturating_sub(before).as_secs_f64() * 1e6 / HANDSHAKES as f64);
        }
    }
    println!("\n| a new connection | CPU µs | least–most |\n|---|--:|--:|");
    for (server, sample) in servers.iter().zip(&samples) {
        println!(
            "| {} | {:.0} | {:.0}–{:.0} |",
            server.name,
            sample.median(),
            sample.least(),
            sample.most()
        );
    }
    let of = |name: &str| {
        servers
            .iter()
            .zip(&samples)
            .find(|(server, _)| server.name == name)
            .map_or(f64::NAN, |(_, sample)| sample.median())
    };
    Ok(of(OURS) / of("echo"))
}
