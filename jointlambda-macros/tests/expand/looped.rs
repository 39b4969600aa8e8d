const AWS: Cloud = Cloud::aws("ap-northeast-1");
const ALI: Cloud = Cloud::aliyun("cn-hangzhou");

#[workflow(max_turns = 10)]
async fn looped(x: u64) -> u64 {
    let mut n = x;
    for i in 0..3 {
        if n > 50 {
            break;
        }
        n = double(n + i).await;
    }
    n
}

#[function(on = AWS)]
async fn double(x: u64) -> u64 {
    2 * x
}

#[function(on = ALI, failover = [AWS], memory = 2048, timeout = "30s", retry(attempts = 3))]
async fn halve(x: u64) -> Result<u64> {
    Ok(x / 2)
}
