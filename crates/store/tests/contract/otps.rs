use vestibule_engine::model::{IdentifierKey, Otp, Token};
use vestibule_engine::store::{CallerKey, IntentKeys, Write};
use vestibule_wire::{OrganizationId, OtpFlavour, OtpId, OtpType, UserId};

use super::fixtures::*;

async fn stored(s: &Subject) -> Otp {
    let tenant = s.parent().await;
    let attempt = otp(tenant, s.sub(tenant).await);
    s.commit(vec![Write::InsertOtp(Box::new(attempt.clone()))]).await;
    attempt
}

async fn found(s: &Subject, organization: OrganizationId, id: OtpId) -> Option<Otp> {
    s.read(organization, IntentKeys { otp: Some(id), ..IntentKeys::default() }).await.otp
}

fn spend(attempt: &Otp, attempts_left: i64) -> Vec<Write> {
    vec![Write::SpendAttempt { organization: attempt.organization_id, otp: attempt.id, attempts_left }]
}

fn consume(attempt: &Otp) -> Vec<Write> {
    vec![Write::ConsumeOtp { organization: attempt.organization_id, otp: attempt.id }]
}

pub async fn an_attempt_comes_back_as_it_was_stored(s: Subject) {
    let first = stored(&s).await;
    assert_eq!(found(&s, first.organization_id, first.id).await, Some(first.clone()));
    let second = Otp {
        id: OtpId(new_id()),
        flavour: OtpFlavour::Auth,
        otp_type: OtpType::Sms,
        identifier_key: Some(IdentifierKey::of(OrganizationId::from_bytes([1; 16]), "identifier")),
        user_id: Some(UserId(new_id())),
        target_key: None,
        consumed_at: Some(START),
        ..first.clone()
    };
    s.commit(vec![Write::InsertOtp(Box::new(second.clone()))]).await;
    assert_eq!(found(&s, second.organization_id, second.id).await, Some(second.clone()));
    s.conflict(vec![Write::InsertOtp(Box::new(second))], "InsertOtp").await;
}

pub async fn two_hundred_parallel_guesses_spend_three(s: Subject) {
    let attempt = stored(&s).await;
    let spent = parallel(200, |_| {
        let (s, attempt) = (s.clone(), attempt.clone());
        async move {
            // What the engine does: read, decide, commit; after a conflict read again.
            loop {
                let seen = found(&s, attempt.organization_id, attempt.id).await.unwrap();
                if seen.attempts_left == 0 {
                    return false;
                }
                if s.try_commit(spend(&attempt, seen.attempts_left)).await.is_ok() {
                    return true;
                }
            }
        }
    })
    .await;
    assert_eq!(spent.into_iter().filter(|spent| *spent).count(), 3);
    assert_eq!(found(&s, attempt.organization_id, attempt.id).await.unwrap().attempts_left, 0);
    s.conflict(consume(&attempt), "ConsumeOtp").await;
}

pub async fn a_guess_counts_from_what_was_read(s: Subject) {
    let attempt = stored(&s).await;
    let outcomes = parallel(20, |_| {
        let (s, writes) = (s.clone(), spend(&attempt, 3));
        async move { s.try_commit(writes).await }
    })
    .await;
    assert_eq!(applied(&outcomes), 1);
    s.conflict(spend(&attempt, 3), "SpendAttempt").await;
    s.conflict(spend(&attempt, 1), "SpendAttempt").await;
    s.commit(spend(&attempt, 2)).await;
}

pub async fn the_last_guess_destroys_the_target_key(s: Subject) {
    let attempt = stored(&s).await;
    for left in [3, 2, 1] {
        assert!(found(&s, attempt.organization_id, attempt.id).await.unwrap().target_key.is_some());
        s.commit(spend(&attempt, left)).await;
    }
    let over = found(&s, attempt.organization_id, attempt.id).await.unwrap();
    assert_eq!((over.target_key, over.attempts_left, over.consumed_at), (None, 0, None));
    s.conflict(spend(&attempt, 0), "SpendAttempt").await;
}

pub async fn of_fifty_right_answers_one_consumes_the_attempt(s: Subject) {
    let attempt = stored(&s).await;
    s.clock.advance(11);
    let outcomes = parallel(50, |_| {
        let (s, writes) = (s.clone(), consume(&attempt));
        async move { s.try_commit(writes).await }
    })
    .await;
    assert_eq!(applied(&outcomes), 1);
    let used = found(&s, attempt.organization_id, attempt.id).await.unwrap();
    assert_eq!((used.consumed_at, used.target_key, used.attempts_left), (Some(START + 11), None, 3));
    s.conflict(spend(&attempt, 3), "SpendAttempt").await;
}

pub async fn an_expired_attempt_is_neither_spent_nor_consumed(s: Subject) {
    let attempt = stored(&s).await;
    s.clock.advance(5 * MINUTE - 1);
    s.commit(spend(&attempt, 3)).await;
    s.clock.advance(1);
    s.conflict(spend(&attempt, 2), "SpendAttempt").await;
    s.conflict(consume(&attempt), "ConsumeOtp").await;
    assert_eq!(found(&s, attempt.organization_id, attempt.id).await.unwrap().attempts_left, 2);
}

pub async fn an_attempt_without_guesses_is_not_consumed(s: Subject) {
    let attempt = stored(&s).await;
    for left in [3, 2, 1] {
        s.commit(spend(&attempt, left)).await;
    }
    s.conflict(consume(&attempt), "ConsumeOtp").await;
}

pub async fn an_attempt_belongs_to_its_organization(s: Subject) {
    let attempt = stored(&s).await;
    let foreign = Otp { organization_id: attempt.tenant_id, ..attempt.clone() };
    assert_eq!(found(&s, attempt.tenant_id, attempt.id).await, None, "not even its parent has it");
    s.conflict(spend(&foreign, 3), "SpendAttempt").await;
    s.conflict(consume(&foreign), "ConsumeOtp").await;
}

pub async fn a_retired_attempt_is_over(s: Subject) {
    let attempt = stored(&s).await;
    let retire = |otp| vec![Write::RetireOtp { tenant: attempt.tenant_id, otp }];
    s.commit(retire(attempt.id)).await;
    let over = found(&s, attempt.organization_id, attempt.id).await.unwrap();
    assert_eq!((over.consumed_at, over.target_key), (Some(START), None));
    s.conflict(consume(&attempt), "ConsumeOtp").await;
    s.clock.advance(1);
    s.commit(retire(attempt.id)).await;
    assert_eq!(found(&s, attempt.organization_id, attempt.id).await.unwrap().consumed_at, Some(START));
    s.commit(retire(OtpId(new_id()))).await;
}

pub async fn a_refused_guess_is_remembered_once(s: Subject) {
    let attempt = stored(&s).await;
    let fingerprint = new_hash();
    let remember = || Write::RememberRefusedGuess {
        organization: attempt.organization_id,
        fingerprint,
        otp: attempt.id,
        expires_at: START + 60 * MINUTE,
    };
    let refused = |body| {
        let (s, attempt) = (s.clone(), attempt.clone());
        async move {
            let intent = IntentKeys { otp: Some(attempt.id), ..IntentKeys::default() };
            let caller = CallerKey::User(UserId(new_id()));
            s.read_as(attempt.organization_id, caller, Some(body), intent).await.refused_guess
        }
    };
    assert!(!refused(fingerprint).await);
    let outcomes = parallel(20, |_| {
        let (s, mut writes) = (s.clone(), vec![remember()]);
        writes.push(Write::CountFailure {
            tenant: attempt.tenant_id,
            contact: attempt.contact_key,
            locked: None,
        });
        async move { s.try_commit(writes).await }
    })
    .await;
    assert_eq!(applied(&outcomes), 1);
    s.conflict(vec![remember()], "RememberRefusedGuess").await;
    assert!(refused(fingerprint).await);
    assert!(!refused(new_hash()).await);
    let intent = IntentKeys { contact_limits: Some(attempt.contact_key), ..IntentKeys::default() };
    assert_eq!(
        s.read(attempt.tenant_id, intent).await.contact_limits.failures,
        1,
        "the same body costs one guess"
    );
}

pub async fn a_token_signs_up_once(s: Subject) {
    let tenant = s.parent().await;
    let sub = s.sub(tenant).await;
    let issued = token(tenant, sub);
    let bare = Token { legacy: true, otp_type: OtpType::Sms, public_key: None, ..token(tenant, tenant) };
    s.commit(vec![Write::InsertToken(Box::new(issued.clone())), Write::InsertToken(Box::new(bare.clone()))])
        .await;
    let read = |organization, id| {
        let s = s.clone();
        async move { s.read(organization, IntentKeys { token: Some(id), ..IntentKeys::default() }).await.token }
    };
    assert_eq!(read(tenant, issued.id).await, Some(issued.clone()), "of any organization of the tenant");
    assert_eq!(read(sub, bare.id).await, Some(bare.clone()));
    assert_eq!(read(s.parent().await, bare.id).await, None);
    let sign_up = |token: &Token| vec![Write::UseTokenForSignup { tenant, token: token.id }];
    s.clock.advance(60 * MINUTE - 1);
    s.commit(sign_up(&issued)).await;
    assert_eq!(read(tenant, issued.id).await.unwrap().signed_up_at, Some(s.now()));
    s.conflict(sign_up(&issued), "UseTokenForSignup").await;
    s.conflict(sign_up(&token(tenant, tenant)), "UseTokenForSignup").await;
    s.clock.advance(1);
    s.conflict(sign_up(&bare), "UseTokenForSignup").await;
    s.conflict(vec![Write::InsertToken(Box::new(issued))], "InsertToken").await;
}

pub async fn of_parallel_sign_ups_with_one_token_one_succeeds(s: Subject) {
    let tenant = s.parent().await;
    let issued = token(tenant, tenant);
    s.commit(vec![Write::InsertToken(Box::new(issued.clone()))]).await;
    let outcomes = parallel(50, |_| {
        let s = s.clone();
        async move { s.try_commit(vec![Write::UseTokenForSignup { tenant, token: issued.id }]).await }
    })
    .await;
    assert_eq!(applied(&outcomes), 1);
}
