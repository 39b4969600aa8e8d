const AWS: Cloud = Cloud::aws("ap-northeast-1");
const ALI: Cloud = Cloud::aliyun("cn-hangzhou");

#[workflow]
async fn choice(x: u64) -> u64 {
    let y = match x {
        0 => 1,
        n if n > 9 => double(n).await,
        n => n + 1,
    };
    if y > 5 { double(y).await } else { y }
}

#[function(on = AWS)]
async fn double(x: u64) -> u64 {
    2 * x
}

#[function(on = ALI, failover = [AWS], memory = 2048, timeout = "30s", retry(attempts = 3))]
async fn halve(x: u64) -> Result<u64> {
    Ok(x / 2)
}
