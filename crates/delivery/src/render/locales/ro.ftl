# Romanian

code-subject = { $code } este codul dvs. pentru { $app }
code-subject-unnamed = { $code } este codul dvs.
code-heading = Codul dvs. pentru { $app }
code-heading-unnamed = Codul dvs.
code-text = Codul dvs. pentru { $app } este { $code }
code-text-unnamed = Codul dvs. este { $code }
code-expiry = Poate fi folosit o singură dată și expiră în { $lifetime }.
code-link = Sau deschideți acest link pentru a vă conecta:
code-button = Conectare
code-warning = Nu dați nimănui acest cod. Dacă nu l-ați cerut, puteți ignora acest mesaj.

login-subject = Conectare la { $app }
login-subject-unnamed = Conectare
login-link = Pentru a vă conecta, deschideți acest link pe dispozitivul de pe care l-ați cerut:
login-copy = Pentru a vă conecta, copiați acest text acolo unde l-ați cerut:
login-button = Conectare
login-warning = Nu dați nimănui acest mesaj. Dacă nu l-ați cerut, îl puteți ignora.

recovery-subject = Recuperarea contului dvs. { $app }
recovery-subject-unnamed = Recuperarea contului dvs.
recovery-link = Pentru a vă recupera contul, deschideți acest link pe dispozitivul de pe care l-ați cerut:
recovery-copy = Pentru a vă recupera contul, copiați acest text acolo unde l-ați cerut:
recovery-button = Recuperare cont
recovery-warning = Nu dați nimănui acest mesaj. Dacă nu l-ați cerut, poate că altcineva încearcă să intre în contul dvs.; puteți ignora acest mesaj.

bundle-expiry = Expiră în { $lifetime }.

sms = { $app }: codul dvs. este { $code }
sms-unnamed = Codul dvs. este { $code }
sms-full = { sms }. Expiră în { $lifetime }.
sms-full-unnamed = { sms-unnamed }. Expiră în { $lifetime }.

minutes = { $number ->
    [one] { $number } minut
    [few] { $number } minute
   *[other] { $number } de minute
    }
hours = { $number ->
    [one] { $number } oră
    [few] { $number } ore
   *[other] { $number } de ore
    }
days = { $number ->
    [one] { $number } zi
    [few] { $number } zile
   *[other] { $number } de zile
    }
