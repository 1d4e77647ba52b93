# Italian

code-subject = { $code } è il tuo codice { $app }
code-subject-unnamed = { $code } è il tuo codice
code-heading = Il tuo codice { $app }
code-heading-unnamed = Il tuo codice
code-text = Il tuo codice { $app } è { $code }
code-text-unnamed = Il tuo codice è { $code }
code-expiry = Vale una sola volta e scade tra { $lifetime }.
code-link = Oppure apri questo link per accedere:
code-button = Accedi
code-warning = Non condividere questo codice con nessuno. Se non lo hai richiesto, puoi ignorare questo messaggio.

login-subject = Accedi a { $app }
login-subject-unnamed = Accedi
login-link = Per accedere, apri questo link sul dispositivo da cui lo hai richiesto:
login-copy = Per accedere, copia questo testo dove lo hai richiesto:
login-button = Accedi
login-warning = Non condividere questo messaggio con nessuno. Se non lo hai richiesto, puoi ignorarlo.

recovery-subject = Recupera il tuo account { $app }
recovery-subject-unnamed = Recupera il tuo account
recovery-link = Per recuperare il tuo account, apri questo link sul dispositivo da cui lo hai richiesto:
recovery-copy = Per recuperare il tuo account, copia questo testo dove lo hai richiesto:
recovery-button = Recupera l’account
recovery-warning = Non condividere questo messaggio con nessuno. Se non lo hai richiesto, forse qualcun altro sta cercando di entrare nel tuo account; puoi ignorare questo messaggio.

bundle-expiry = Scade tra { $lifetime }.

sms = { $app }: il tuo codice è { $code }
sms-unnamed = Il tuo codice è { $code }
sms-full = { sms }. Scade tra { $lifetime }.
sms-full-unnamed = { sms-unnamed }. Scade tra { $lifetime }.

minutes = { $number ->
    [one] { $number } minuto
   *[other] { $number } minuti
    }
hours = { $number ->
    [one] { $number } ora
   *[other] { $number } ore
    }
days = { $number ->
    [one] { $number } giorno
   *[other] { $number } giorni
    }
