const AWS: Cloud = Cloud::aws("ap-northeast-1");
const ALI: Cloud = Cloud::aliyun("cn-hangzhou");

/// One call after another.
#[workflow]
pub async fn sequence(x: u64, name: String) -> String {
    let a = double(x).await;
    let b = double(a + 1).await;
    format!("{name} {a} {b}")
}

#[function(on = AWS)]
async fn double(x: u64) -> u64 {
    2 * x
}

#[function(on = ALI, failover = [AWS], memory = 2048, timeout = "30s", retry(attempts = 3))]
async fn halve(x: u64) -> Result<u64> {
    Ok(x / 2)
}
