//! scratch
use jointlambda_model::{shapes, Bounds, Protocol};
fn main() {
    let arg: Vec<u8> = std::env::args().nth(1).unwrap_or_default().bytes().map(|b| b - b'0').collect();
    let g = |i: usize| arg.get(i).copied().unwrap_or(0);
    let only = std::env::args().nth(2);
    let b = Bounds { crashes: g(0), duplicates: g(1), drops: g(2), refusals: g(3), unknowns: g(4), outages: g(5), restarts: g(6), sweeps: g(7), deadlines: g(8), total: 0 };
    let b = if arg.len() == 1 { Bounds::any(arg[0]) } else { b };
    if let Ok(clock) = std::env::var("CLOCK") {
        let c: Vec<u8> = clock.bytes().map(|b| b - b'0').collect();
        let clock = jointlambda_model::Clock { deadline: c[0], event_age: c[1], retention: c[2], dead_on_arrival: c[3] == 1, horizon: c[4] };
        for shape in shapes::ALL {
            if only.as_ref().is_some_and(|o| !shape.name.contains(o.as_str())) { continue }
            println!("{}", Protocol { clock: Some(clock), ..Protocol::new(shape, b) }.check());
        }
        return;
    }
    for shape in shapes::ALL {
        if only.as_ref().is_some_and(|o| !shape.name.contains(o.as_str())) { continue }
        let r = Protocol { reduced: std::env::var("FULL").is_err(), ..Protocol::new(shape, b) }.check();
        println!("{r}\n   {:?}", r.shown);
    }
}
