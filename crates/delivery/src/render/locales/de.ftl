# German

code-subject = { $code } ist Ihr Code für { $app }
code-subject-unnamed = { $code } ist Ihr Code
code-heading = Ihr Code für { $app }
code-heading-unnamed = Ihr Code
code-text = Ihr Code für { $app } lautet { $code }
code-text-unnamed = Ihr Code lautet { $code }
code-expiry = Er gilt nur einmal und nur { $lifetime } lang.
code-link = Oder öffnen Sie diesen Link, um sich anzumelden:
code-button = Anmelden
code-warning = Geben Sie diesen Code an niemanden weiter. Falls Sie ihn nicht angefordert haben, können Sie diese Nachricht ignorieren.

login-subject = Bei { $app } anmelden
login-subject-unnamed = Anmelden
login-link = Öffnen Sie diesen Link auf dem Gerät, auf dem Sie ihn angefordert haben, um sich anzumelden:
login-copy = Kopieren Sie diesen Text dorthin, wo Sie ihn angefordert haben, um sich anzumelden:
login-button = Anmelden
login-warning = Geben Sie diese Nachricht an niemanden weiter. Falls Sie sie nicht angefordert haben, können Sie sie ignorieren.

recovery-subject = Ihr Konto bei { $app } wiederherstellen
recovery-subject-unnamed = Ihr Konto wiederherstellen
recovery-link = Öffnen Sie diesen Link auf dem Gerät, auf dem Sie ihn angefordert haben, um Ihr Konto wiederherzustellen:
recovery-copy = Kopieren Sie diesen Text dorthin, wo Sie ihn angefordert haben, um Ihr Konto wiederherzustellen:
recovery-button = Konto wiederherstellen
recovery-warning = Geben Sie diese Nachricht an niemanden weiter. Falls Sie sie nicht angefordert haben, versucht vielleicht jemand anderes, in Ihr Konto zu gelangen; Sie können diese Nachricht ignorieren.

bundle-expiry = Gültig für { $lifetime }.

sms = { $app }: Ihr Code lautet { $code }
sms-unnamed = Ihr Code lautet { $code }
sms-full = { sms }. Gültig für { $lifetime }.
sms-full-unnamed = { sms-unnamed }. Gültig für { $lifetime }.

minutes = { $number ->
    [one] { $number } Minute
   *[other] { $number } Minuten
    }
hours = { $number ->
    [one] { $number } Stunde
   *[other] { $number } Stunden
    }
days = { $number ->
    [one] einen Tag
   *[other] { $number } Tage
    }
