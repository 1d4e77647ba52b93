# Czech

code-subject = { $code } je váš kód pro { $app }
code-subject-unnamed = { $code } je váš kód
code-heading = Váš kód pro { $app }
code-heading-unnamed = Váš kód
code-text = Váš kód pro { $app } je { $code }
code-text-unnamed = Váš kód je { $code }
code-expiry = Lze ho použít jednou a platí { $lifetime }.
code-link = Nebo se přihlaste otevřením tohoto odkazu:
code-button = Přihlásit se
code-warning = Tento kód nikomu nesdělujte. Pokud jste o něj nežádali, můžete tuto zprávu ignorovat.

login-subject = Přihlášení do { $app }
login-subject-unnamed = Přihlášení
login-link = Pro přihlášení otevřete tento odkaz na zařízení, na kterém jste o něj požádali:
login-copy = Pro přihlášení zkopírujte tento text tam, kde jste o něj požádali:
login-button = Přihlásit se
login-warning = Tuto zprávu nikomu nepředávejte. Pokud jste o ni nežádali, můžete ji ignorovat.

recovery-subject = Obnovení vašeho účtu v { $app }
recovery-subject-unnamed = Obnovení vašeho účtu
recovery-link = Pro obnovení účtu otevřete tento odkaz na zařízení, na kterém jste o něj požádali:
recovery-copy = Pro obnovení účtu zkopírujte tento text tam, kde jste o něj požádali:
recovery-button = Obnovit účet
recovery-warning = Tuto zprávu nikomu nepředávejte. Pokud jste o ni nežádali, možná se do vašeho účtu snaží dostat někdo jiný; tuto zprávu můžete ignorovat.

bundle-expiry = Platí { $lifetime }.

sms = { $app }: váš kód je { $code }
sms-unnamed = Váš kód je { $code }
sms-full = { sms }. Platí { $lifetime }.
sms-full-unnamed = { sms-unnamed }. Platí { $lifetime }.

minutes = { $number ->
    [one] { $number } minutu
    [few] { $number } minuty
   *[other] { $number } minut
    }
hours = { $number ->
    [one] { $number } hodinu
    [few] { $number } hodiny
   *[other] { $number } hodin
    }
days = { $number ->
    [one] { $number } den
    [few] { $number } dny
   *[other] { $number } dní
    }
