use vestibule_engine::model::{ProxyConfig, Template};
use vestibule_engine::store::{IntentKeys, TemplateKey, Write};
use vestibule_wire::{OrganizationId, ProxyConfigId, ProxySettings, TemplateId, UserId};

use super::fixtures::*;

pub async fn a_setting_is_kept_and_replaced(s: Subject) {
    assert_eq!(s.store.meta("keys").await.unwrap(), None);
    s.store.put_meta("keys", "one").await.unwrap();
    s.store.put_meta("other", "ä").await.unwrap();
    s.store.put_meta("keys", "two").await.unwrap();
    assert_eq!(s.store.meta("keys").await.unwrap().as_deref(), Some("two"));
    assert_eq!(s.store.meta("other").await.unwrap().as_deref(), Some("ä"));
}

fn config(organization_id: OrganizationId) -> ProxyConfig {
    ProxyConfig {
        id: ProxyConfigId(new_id()),
        organization_id,
        user_id: UserId(new_id()),
        sealed_key: vec![9, 8, 7],
        settings: ProxySettings::default(),
        version: 1,
        created_at: START,
        updated_at: START,
    }
}

pub async fn an_organization_has_one_proxy_config(s: Subject) {
    let parent = s.parent().await;
    let first = config(parent);
    let insert = |config: &ProxyConfig| vec![Write::InsertProxyConfig(Box::new(config.clone()))];
    s.commit(insert(&first)).await;
    s.conflict(insert(&config(parent)), "InsertProxyConfig").await;
    s.conflict(insert(&ProxyConfig { id: first.id, ..config(s.parent().await) }), "InsertProxyConfig").await;
    assert_eq!(s.store.proxy_config(first.id).await.unwrap(), Some(first.clone()));
    assert_eq!(s.store.proxy_config_of(parent).await.unwrap(), Some(first.clone()));
    let read = || IntentKeys { proxy_config: true, ..IntentKeys::default() };
    assert_eq!(s.read(parent, read()).await.proxy_config, Some(first.clone()));

    s.clock.advance(4);
    let mut changed = first.clone();
    changed.settings.allowed_origins = vec!["https://example.com".to_owned()];
    let update = || vec![Write::UpdateProxyConfig(Box::new(changed.clone()))];
    s.commit(update()).await;
    s.conflict(update(), "UpdateProxyConfig").await;
    let expected = ProxyConfig { version: 2, updated_at: START + 4, ..changed.clone() };
    assert_eq!(s.store.proxy_config(first.id).await.unwrap(), Some(expected));

    let delete = || vec![Write::DeleteProxyConfig { organization: parent }];
    s.commit(delete()).await;
    s.conflict(delete(), "DeleteProxyConfig").await;
    assert_eq!(s.store.proxy_config(first.id).await.unwrap(), None);
    assert_eq!(s.store.proxy_config_of(parent).await.unwrap(), None);
    s.commit(insert(&config(parent))).await;
}

pub async fn templates_are_found_by_id_and_by_age(s: Subject) {
    let parent = s.parent().await;
    let sub = s.sub(parent).await;
    let older = Template {
        organization_id: parent,
        id: TemplateId(new_id()),
        name: "Older".to_owned(),
        locale: None,
        subject: "{{ .OtpCode }}".to_owned(),
        html: "<p>{{ .OtpCode }}</p>".to_owned(),
        text: None,
        sms: None,
        created_at: START,
    };
    let newer = Template {
        id: TemplateId(new_id()),
        text: Some("{{ .OtpCode }}".to_owned()),
        locale: Some("pt-BR".parse().unwrap()),
        sms: Some("{{ .OtpCode }}".to_owned()),
        ..older.clone()
    };
    let sms_alone = Template {
        id: TemplateId(new_id()),
        subject: String::new(),
        html: String::new(),
        sms: newer.sms.clone(),
        ..older.clone()
    };
    for template in [&older, &newer, &sms_alone] {
        s.commit(vec![Write::InsertTemplate(Box::new(template.clone()))]).await;
    }
    s.conflict(vec![Write::InsertTemplate(Box::new(older.clone()))], "InsertTemplate").await;
    assert_eq!(s.store.template(parent, older.id).await.unwrap(), Some(older.clone()));
    assert_eq!(s.store.template(sub, older.id).await.unwrap(), None);
    assert_eq!(s.store.templates(parent).await.unwrap(), [sms_alone.clone(), newer.clone(), older.clone()]);
    let read = |key| {
        let s = s.clone();
        async move { s.read(sub, IntentKeys { template: Some(key), ..IntentKeys::default() }).await.templates }
    };
    assert_eq!(read(TemplateKey::All).await, [sms_alone.offer(), newer.offer(), older.offer()]);
    assert_eq!((newer.offer().email, newer.offer().sms), (true, true));
    assert_eq!((sms_alone.offer().email, sms_alone.offer().sms), (false, true));
    assert_eq!(read(TemplateKey::Id(older.id)).await, [older.offer()]);
    assert_eq!(read(TemplateKey::Id(TemplateId(new_id()))).await, []);

    let delete = || vec![Write::DeleteTemplate { organization: parent, template: newer.id }];
    s.commit(delete()).await;
    s.conflict(delete(), "DeleteTemplate").await;
    assert_eq!(read(TemplateKey::All).await, [sms_alone.offer(), older.offer()]);
}

pub async fn a_store_that_works_is_ready(s: Subject) {
    s.store.ready().await.unwrap();
}
