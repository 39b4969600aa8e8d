use jointlambda::{embedded::Embedded, prelude::*};

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");
    const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

    #[workflow]
    pub async fn chain(x: u32) -> Result<String> {
        let y = double(x).await?;
        let z = double(y).await?;
        let shown = z + x;
        let text = show(shown).await;
        Ok(format!("{text} {y}"))
    }

    #[function(on = AWS)]
    async fn double(x: u32) -> Result<u32> {
        Ok(2 * x)
    }

    #[function(on = ALI)]
    async fn show(x: u32) -> String {
        x.to_string()
    }
}

#[tokio::test]
async fn a_chain_gives_what_its_plain_run_gives() {
    let clouds = Embedded::<Chain>::in_memory();
    let plain = chain(5).await.unwrap();
    assert_eq!(clouds.run("k", 5).await.unwrap().unwrap(), plain);
    println!("{:#?}", clouds.clouds().meter());
}
