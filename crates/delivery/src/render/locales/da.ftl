# Danish

code-subject = { $code } er din kode til { $app }
code-subject-unnamed = { $code } er din kode
code-heading = Din kode til { $app }
code-heading-unnamed = Din kode
code-text = Din kode til { $app } er { $code }
code-text-unnamed = Din kode er { $code }
code-expiry = Den kan bruges én gang og udløber om { $lifetime }.
code-link = Eller åbn dette link for at logge ind:
code-button = Log ind
code-warning = Del ikke koden med nogen. Hvis du ikke har bedt om den, kan du se bort fra denne besked.

login-subject = Log ind på { $app }
login-subject-unnamed = Log ind
login-link = Log ind ved at åbne dette link på den enhed, hvor du bad om det:
login-copy = Log ind ved at kopiere denne tekst til det sted, hvor du bad om den:
login-button = Log ind
login-warning = Del ikke beskeden med nogen. Hvis du ikke har bedt om den, kan du se bort fra den.

recovery-subject = Gendan din konto hos { $app }
recovery-subject-unnamed = Gendan din konto
recovery-link = Gendan din konto ved at åbne dette link på den enhed, hvor du bad om det:
recovery-copy = Gendan din konto ved at kopiere denne tekst til det sted, hvor du bad om den:
recovery-button = Gendan konto
recovery-warning = Del ikke beskeden med nogen. Hvis du ikke har bedt om den, prøver en anden måske at få adgang til din konto; du kan se bort fra denne besked.

bundle-expiry = Udløber om { $lifetime }.

sms = { $app }: din kode er { $code }
sms-unnamed = Din kode er { $code }
sms-full = { sms }. Den udløber om { $lifetime }.
sms-full-unnamed = { sms-unnamed }. Den udløber om { $lifetime }.

minutes = { $number ->
    [one] { $number } minut
   *[other] { $number } minutter
    }
hours = { $number ->
    [one] { $number } time
   *[other] { $number } timer
    }
days = { $number ->
    [one] { $number } dag
   *[other] { $number } dage
    }
