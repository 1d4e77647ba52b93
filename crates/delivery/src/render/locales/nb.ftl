# Norwegian (bokmål)

code-subject = { $code } er koden din for { $app }
code-subject-unnamed = { $code } er koden din
code-heading = Koden din for { $app }
code-heading-unnamed = Koden din
code-text = Koden din for { $app } er { $code }
code-text-unnamed = Koden din er { $code }
code-expiry = Den kan brukes én gang og utløper om { $lifetime }.
code-link = Eller åpne denne lenken for å logge inn:
code-button = Logg inn
code-warning = Ikke del koden med noen. Hvis du ikke har bedt om den, kan du se bort fra denne meldingen.

login-subject = Logg inn på { $app }
login-subject-unnamed = Logg inn
login-link = Logg inn ved å åpne denne lenken på enheten der du ba om den:
login-copy = Logg inn ved å kopiere denne teksten til stedet der du ba om den:
login-button = Logg inn
login-warning = Ikke del meldingen med noen. Hvis du ikke har bedt om den, kan du se bort fra den.

recovery-subject = Gjenopprett kontoen din hos { $app }
recovery-subject-unnamed = Gjenopprett kontoen din
recovery-link = Gjenopprett kontoen din ved å åpne denne lenken på enheten der du ba om den:
recovery-copy = Gjenopprett kontoen din ved å kopiere denne teksten til stedet der du ba om den:
recovery-button = Gjenopprett konto
recovery-warning = Ikke del meldingen med noen. Hvis du ikke har bedt om den, kan det hende at noen andre prøver å komme inn på kontoen din; du kan se bort fra denne meldingen.

bundle-expiry = Utløper om { $lifetime }.

sms = { $app }: koden din er { $code }
sms-unnamed = Koden din er { $code }
sms-full = { sms }. Den utløper om { $lifetime }.
sms-full-unnamed = { sms-unnamed }. Den utløper om { $lifetime }.

minutes = { $number ->
    [one] { $number } minutt
   *[other] { $number } minutter
    }
hours = { $number ->
    [one] { $number } time
   *[other] { $number } timer
    }
days = { $number ->
    [one] { $number } dag
   *[other] { $number } dager
    }
