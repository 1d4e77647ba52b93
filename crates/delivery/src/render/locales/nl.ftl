# Dutch

code-subject = { $code } is je code voor { $app }
code-subject-unnamed = { $code } is je code
code-heading = Je code voor { $app }
code-heading-unnamed = Je code
code-text = Je code voor { $app } is { $code }
code-text-unnamed = Je code is { $code }
code-expiry = Hij werkt één keer en verloopt over { $lifetime }.
code-link = Of open deze link om in te loggen:
code-button = Inloggen
code-warning = Deel deze code met niemand. Heb je er niet om gevraagd, dan kun je dit bericht negeren.

login-subject = Inloggen bij { $app }
login-subject-unnamed = Inloggen
login-link = Om in te loggen open je deze link op het apparaat waarop je erom vroeg:
login-copy = Om in te loggen kopieer je deze tekst naar de plek waar je erom vroeg:
login-button = Inloggen
login-warning = Deel dit bericht met niemand. Heb je er niet om gevraagd, dan kun je het negeren.

recovery-subject = Je account bij { $app } herstellen
recovery-subject-unnamed = Je account herstellen
recovery-link = Om je account te herstellen open je deze link op het apparaat waarop je erom vroeg:
recovery-copy = Om je account te herstellen kopieer je deze tekst naar de plek waar je erom vroeg:
recovery-button = Account herstellen
recovery-warning = Deel dit bericht met niemand. Heb je er niet om gevraagd, dan probeert misschien iemand anders in je account te komen; je kunt dit bericht negeren.

bundle-expiry = Verloopt over { $lifetime }.

sms = { $app }: je code is { $code }
sms-unnamed = Je code is { $code }
sms-full = { sms }. Verloopt over { $lifetime }.
sms-full-unnamed = { sms-unnamed }. Verloopt over { $lifetime }.

minutes = { $number ->
    [one] { $number } minuut
   *[other] { $number } minuten
    }
hours = { $number } uur
days = { $number ->
    [one] { $number } dag
   *[other] { $number } dagen
    }
