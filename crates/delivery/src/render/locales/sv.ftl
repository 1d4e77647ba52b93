# Swedish

code-subject = { $code } är din kod för { $app }
code-subject-unnamed = { $code } är din kod
code-heading = Din kod för { $app }
code-heading-unnamed = Din kod
code-text = Din kod för { $app } är { $code }
code-text-unnamed = Din kod är { $code }
code-expiry = Den kan användas en gång och går ut om { $lifetime }.
code-link = Eller öppna den här länken för att logga in:
code-button = Logga in
code-warning = Dela inte koden med någon. Om du inte har bett om den kan du bortse från det här meddelandet.

login-subject = Logga in på { $app }
login-subject-unnamed = Logga in
login-link = Logga in genom att öppna länken på den enhet där du bad om den:
login-copy = Logga in genom att kopiera texten till det ställe där du bad om den:
login-button = Logga in
login-warning = Dela inte meddelandet med någon. Om du inte har bett om det kan du bortse från det.

recovery-subject = Återställ ditt konto på { $app }
recovery-subject-unnamed = Återställ ditt konto
recovery-link = Återställ ditt konto genom att öppna länken på den enhet där du bad om den:
recovery-copy = Återställ ditt konto genom att kopiera texten till det ställe där du bad om den:
recovery-button = Återställ kontot
recovery-warning = Dela inte meddelandet med någon. Om du inte har bett om det kan någon annan försöka komma in på ditt konto; du kan bortse från det här meddelandet.

bundle-expiry = Går ut om { $lifetime }.

sms = { $app }: din kod är { $code }
sms-unnamed = Din kod är { $code }
sms-full = { sms }. Den går ut om { $lifetime }.
sms-full-unnamed = { sms-unnamed }. Den går ut om { $lifetime }.

minutes = { $number ->
    [one] { $number } minut
   *[other] { $number } minuter
    }
hours = { $number ->
    [one] { $number } timme
   *[other] { $number } timmar
    }
days = { $number ->
    [one] { $number } dag
   *[other] { $number } dagar
    }
