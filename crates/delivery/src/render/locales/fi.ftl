# Finnish

code-subject = { $code } on koodisi palveluun { $app }
code-subject-unnamed = { $code } on koodisi
code-heading = Koodisi palveluun { $app }
code-heading-unnamed = Koodisi
code-text = Koodisi palveluun { $app } on { $code }
code-text-unnamed = Koodisi on { $code }
code-expiry = Se toimii kerran ja vanhenee { $lifetime } kuluttua.
code-link = Tai kirjaudu sisään avaamalla tämä linkki:
code-button = Kirjaudu sisään
code-warning = Älä anna koodia kenellekään. Jos et pyytänyt sitä, voit jättää tämän viestin huomiotta.

login-subject = Kirjaudu palveluun { $app }
login-subject-unnamed = Kirjaudu sisään
login-link = Kirjaudu sisään avaamalla tämä linkki laitteella, jolla pyysit sitä:
login-copy = Kirjaudu sisään kopioimalla tämä teksti sinne, missä pyysit sitä:
login-button = Kirjaudu sisään
login-warning = Älä anna viestiä kenellekään. Jos et pyytänyt sitä, voit jättää sen huomiotta.

recovery-subject = Palauta tilisi palvelussa { $app }
recovery-subject-unnamed = Palauta tilisi
recovery-link = Palauta tilisi avaamalla tämä linkki laitteella, jolla pyysit sitä:
recovery-copy = Palauta tilisi kopioimalla tämä teksti sinne, missä pyysit sitä:
recovery-button = Palauta tili
recovery-warning = Älä anna viestiä kenellekään. Jos et pyytänyt sitä, joku muu saattaa yrittää päästä tilillesi; voit jättää tämän viestin huomiotta.

bundle-expiry = Vanhenee { $lifetime } kuluttua.

sms = { $app }: koodisi on { $code }
sms-unnamed = Koodisi on { $code }
sms-full = { sms }. Se vanhenee { $lifetime } kuluttua.
sms-full-unnamed = { sms-unnamed }. Se vanhenee { $lifetime } kuluttua.

minutes = { $number } minuutin
hours = { $number } tunnin
days = { $number } päivän
